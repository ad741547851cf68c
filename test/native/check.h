// What the test programs share: checks that say what went wrong and where, and a way to wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

namespace gfserve::test {

// Ends the process at once: a failed check leaves threads in no state to be joined.
[[noreturn]] inline void Fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  std::fflush(stderr);
  std::_Exit(1);
}

template <typename A, typename B>
void CheckEqual(const char* file, int line, const char* text, const A& a, const B& b) {
  if (a == b) return;
  std::ostringstream what;
  what << text << ": " << a << " != " << b;
  Fail(file, line, what.str());
}

#define CHECK(condition) \
  do { \
    if (!(condition)) ::gfserve::test::Fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)

#define CHECK_EQ(a, b) ::gfserve::test::CheckEqual(__FILE__, __LINE__, #a " == " #b, (a), (b))

// Something one thread waits for and another one announces.
class Gate {
 public:
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

  bool WaitFor(std::chrono::milliseconds time) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Asks again and again; false when `condition` has not come true within ten seconds.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// Part of a test's name: only tests that have it are run. Set by programs from their arguments.
inline std::string only;

// Names each test of a program on standard output, which is shown when it fails.
inline void Run(const char* name, const std::function<void()>& test) {
  if (std::string(name).find(only) == std::string::npos) return;
  const auto start = std::chrono::steady_clock::now();
  std::printf("%s ...", name);
  std::fflush(stdout);
  test();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf(" %.2f s\n", took.count());
  std::fflush(stdout);
}

}  // namespace gfserve::test
