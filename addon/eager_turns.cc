#include "eager_turns.h"

#include <sys/epoll.h>

namespace gfserve {

namespace {

// How often a turn looks at what has come in, and how much of it is handled each time. Timers, and what JavaScript has put off,
// wait meanwhile.
constexpr int kMostLooks = 8;
constexpr int kMostEvents = 64;

// Since libuv 1.52 who waits is told by a number of libuv's own, no more by a function. Within one Node.js 22 and the next libuv may
// be another one than that of the header that this was compiled with.
constexpr unsigned kFirstOther = 0x013400;

// Of the loop thread.
uv_check_t at_turns_end;
uv_loop_t* eager_loop = nullptr;
int answers = 0;

// null: nobody.
uv__io_t* WatcherOf(const uv_loop_t* loop, int fd) {
  return static_cast<unsigned>(fd) < loop->nwatchers ? loop->watchers[fd] : nullptr;
}

#if UV_VERSION_HEX < 0x013400
void Call(uv_loop_t* loop, uv__io_t* watcher, unsigned events) { watcher->cb(loop, watcher, events); }
#else
void Call(uv_loop_t*, uv__io_t*, unsigned) {}  // nothing is started
#endif

// As libuv does with what epoll has told it (uv__io_poll).
void Tell(uv_loop_t* loop, uv__io_t* watcher, unsigned told) {
  unsigned events = told & (watcher->pevents | EPOLLERR | EPOLLHUP);
  // Who waits for something finds out about an error by trying it.
  if (events == EPOLLERR || events == EPOLLHUP) {
    events |= watcher->pevents & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI);
  }
  if (events != 0) Call(loop, watcher, events);
}

// false: something is left to libuv. epoll tells it of that once more.
bool Look(uv_loop_t* loop) {
  epoll_event events[kMostEvents];
  uv__io_t* watchers[kMostEvents];
  const int count = epoll_wait(uv_backend_fd(loop), events, kMostEvents, 0);
  // Before anybody is told, who may close what comes after, and be given its descriptor once more. Who has stopped waits for nothing.
  for (int at = 0; at < count; ++at) watchers[at] = WatcherOf(loop, events[at].data.fd);
  bool is_all = true;
  for (int at = 0; at < count; ++at) {
    // Signals come last in libuv's turns, as all else may be ended by them.
    if (watchers[at] && watchers[at] != &loop->signal_io_watcher) Tell(loop, watchers[at], events[at].events);
    else is_all = false;
  }
  return is_all;
}

void GoOn(uv_check_t* check) {
  for (int looks = 0; answers > 0 && looks < kMostLooks && check->loop->stop_flag == 0; ++looks) {
    answers = 0;
    if (!Look(check->loop)) break;
  }
  answers = 0;
}

}  // namespace

bool StartEagerTurns(uv_loop_t* loop) {
  if (UV_VERSION_HEX >= kFirstOther || uv_version() >= kFirstOther || eager_loop || uv_check_init(loop, &at_turns_end) != 0) return false;
  eager_loop = loop;
  uv_check_start(&at_turns_end, GoOn);
  // It keeps no process alive.
  uv_unref(reinterpret_cast<uv_handle_t*>(&at_turns_end));
  return true;
}

void StopEagerTurns(const uv_loop_t* loop) {
  auto* const handle = reinterpret_cast<uv_handle_t*>(&at_turns_end);
  if (!eager_loop || eager_loop != loop || uv_is_closing(handle)) return;
  uv_close(handle, [](uv_handle_t*) { eager_loop = nullptr; });
}

void TellAnswer() { ++answers; }

}  // namespace gfserve
