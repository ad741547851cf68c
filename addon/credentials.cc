#include "credentials.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <set>

namespace gfserve {

namespace {

// What glibc itself interrupts threads with for setuid(). No thread can block it, as glibc takes it out of every mask;
// the threads of Node that block all others (that of its inspector) have to be reached too.
constexpr int kSignal = 33;  // SIGSETXID of glibc's internal-signals.h
constexpr int kAnswerMs = 2000;

// As the kernel has it; glibc's sigaction() refuses its own signal.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

enum class Step { kKeep, kSet };

// Of the change that is under way: written before a thread is interrupted, read by its handler.
Step step;
uint64_t wanted;
std::atomic<int> failure{0};
std::atomic<int> answered{0};

// Nothing but system calls, straight: it runs inside a signal handler, wherever the thread happens to be.
int ChangeThisThread() {
  if (step == Step::kKeep) {
    // No kernel has more than 64; the first that it does not know ends it with EINVAL.
    for (unsigned long number = 0; number < 64; ++number) {
      if ((wanted >> number & 1) != 0) continue;
      if (syscall(SYS_prctl, PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
      if (errno == EINVAL) break;
      return errno;
    }
    return syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? 0 : errno;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = static_cast<uint32_t>(wanted);
  const auto high = static_cast<uint32_t>(wanted >> 32);
  const __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  if (syscall(SYS_capset, &header, data) != 0) return errno;
  return syscall(SYS_prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 ? 0 : errno;
}

void OnSignal(int, siginfo_t*, void*) {
  const int saved = errno;
  const int error = ChangeThisThread();
  if (error != 0) failure.store(error);
  answered.fetch_add(1);
  errno = saved;
}

// The threads that there are now. Empty where /proc is not to be had.
std::set<pid_t> Threads() {
  std::set<pid_t> found;
  DIR* dir = opendir("/proc/self/task");
  if (!dir) return found;
  while (const dirent* entry = readdir(dir)) {
    const long id = std::strtol(entry->d_name, nullptr, 10);
    if (id > 0) found.insert(static_cast<pid_t>(id));
  }
  closedir(dir);
  return found;
}

// False where it is gone, and did not need to do anything.
bool Interrupt(pid_t thread) {
  const int before = answered.load();
  const pid_t process = getpid();
  if (syscall(SYS_tgkill, process, thread, kSignal) != 0) return false;
  for (int waited = 0; waited < kAnswerMs; ++waited) {
    if (answered.load() != before) return true;
    if (syscall(SYS_tgkill, process, thread, 0) != 0) return false;
    const timespec millisecond{0, 1'000'000};
    nanosleep(&millisecond, nullptr);
  }
  failure.store(ETIMEDOUT);
  return true;
}

int OnEveryThread(Step what, uint64_t kept) {
  step = what;
  wanted = kept;
  failure.store(0);
  KernelAction before{};
  constexpr size_t kMaskBytes = sizeof(before.mask);
  if (syscall(SYS_rt_sigaction, kSignal, nullptr, &before, kMaskBytes) != 0) return errno;
  // glibc's handler is there since the first thread was made, and with it what a handler returns by.
  if (!before.handler) return ENOSYS;
  KernelAction ours = before;
  ours.handler = OnSignal;
  ours.flags |= SA_SIGINFO | SA_RESTART;
  if (syscall(SYS_rt_sigaction, kSignal, &ours, nullptr, kMaskBytes) != 0) return errno;
  std::set<pid_t> done{gettid()};
  int error = ChangeThisThread();
  // One that was made meanwhile may be of a thread that had not changed yet: until there is no new one.
  bool met = true;
  while (met && error == 0) {
    met = false;
    for (const pid_t thread : Threads()) {
      if (!done.insert(thread).second) continue;
      met = true;
      Interrupt(thread);
      error = failure.load();
      if (error != 0) break;
    }
    if (done.size() < 2) error = ENOSYS;  // no /proc: nobody was reached
  }
  syscall(SYS_rt_sigaction, kSignal, &before, nullptr, kMaskBytes);
  return error;
}

}  // namespace

int KeepCapabilities(uint64_t kept) { return OnEveryThread(Step::kKeep, kept); }

int SetCapabilities(uint64_t kept) { return OnEveryThread(Step::kSet, kept); }

}  // namespace gfserve
