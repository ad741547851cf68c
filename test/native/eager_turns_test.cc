// EagerTurns: what a turn of libuv's loop handles at its end, and that it comes to its end.
#include "../../addon/eager_turns.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

// One end of a pair of sockets, which is watched; `seen` is called as long as there is something to be read.
struct End {
  End(uv_loop_t* loop, std::function<void(End&)> called) : seen(std::move(called)) {
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_EQ(uv_poll_init(loop, &poll, fds[0]), 0);
    poll.data = this;
    CHECK_EQ(uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int status, int) {
               CHECK_EQ(status, 0);
               End& self = *static_cast<End*>(handle->data);
               ++self.calls;
               self.seen(self);
             }),
             0);
  }
  ~End() {
    for (const int fd : fds) close(fd);
  }

  void Send() { CHECK_EQ(write(fds[1], "x", 1), 1); }
  void Read() {
    char byte = 0;
    CHECK_EQ(read(fds[0], &byte, 1), 1);
  }
  void Stop() { uv_poll_stop(&poll); }

  int fds[2];
  uv_poll_t poll;
  std::function<void(End&)> seen;
  int calls = 0;
};

// A loop with turns that are lengthened, until it goes.
class Loop {
 public:
  Loop() {
    CHECK_EQ(uv_loop_init(&loop_), 0);
    CHECK(StartEagerTurns(&loop_));
    CHECK(!StartEagerTurns(&loop_));
  }
  // All that was opened must be closed by then, and so must what StartEagerTurns has opened.
  ~Loop() {
    for (auto& end : ends_) {
      end->Stop();
      uv_close(reinterpret_cast<uv_handle_t*>(&end->poll), nullptr);
    }
    StopEagerTurns(nullptr);
    StopEagerTurns(&loop_);
    StopEagerTurns(&loop_);
    Turn();
    CHECK_EQ(uv_loop_close(&loop_), 0);
  }

  End& Watch(std::function<void(End&)> seen) {
    ends_.push_back(std::make_unique<End>(&loop_, std::move(seen)));
    return *ends_.back();
  }
  void Turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  uv_loop_t* get() { return &loop_; }

 private:
  uv_loop_t loop_;
  std::vector<std::unique_ptr<End>> ends_;
};

void HandlesAtOnceWhatHasComeIn() {
  for (const bool answers : {true, false}) {
    Loop loop;
    End& second = loop.Watch([](End& self) { self.Read(); });
    End& first = loop.Watch([&](End& self) {
      self.Read();
      if (answers) TellAnswer();
      second.Send();
    });
    first.Send();
    loop.Turn();
    CHECK_EQ(first.calls, 1);
    CHECK_EQ(second.calls, answers ? 1 : 0);
    loop.Turn();
    CHECK_EQ(second.calls, 1);
  }
}

void EndsTurns() {
  Loop loop;
  // Once by libuv, and with each of eight looks.
  End& endless = loop.Watch([](End&) { TellAnswer(); });
  endless.Send();
  loop.Turn();
  CHECK_EQ(endless.calls, 9);
  loop.Turn();
  CHECK_EQ(endless.calls, 18);
}

void EndsThemWithTheLoop() {
  Loop loop;
  End& endless = loop.Watch([&loop](End&) {
    TellAnswer();
    uv_stop(loop.get());
  });
  endless.Send();
  loop.Turn();
  CHECK_EQ(endless.calls, 1);
}

void LeavesSignalsToLibuv() {
  Loop loop;
  static int signals;
  signals = 0;
  uv_signal_t handle;
  CHECK_EQ(uv_signal_init(loop.get(), &handle), 0);
  CHECK_EQ(uv_signal_start(&handle, [](uv_signal_t*, int) { ++signals; }, SIGUSR1), 0);
  End& endless = loop.Watch([](End&) { TellAnswer(); });
  endless.Send();
  loop.Turn();
  CHECK_EQ(raise(SIGUSR1), 0);
  // Not by both.
  for (int turn = 0; turn < 3; ++turn) loop.Turn();
  CHECK_EQ(signals, 1);
  endless.seen = [](End& self) {
    TellAnswer();
    if (self.calls % 9 == 1) raise(SIGUSR1);
  };
  endless.calls = 0;
  for (int turn = 0; turn < 10; ++turn) loop.Turn();
  CHECK(signals >= 9);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
}

// Who was stopped by another in the same look is not called any more.
void CallsNobodyWhoHasStopped() {
  Loop loop;
  End* ends[2] = {nullptr, nullptr};
  for (int at = 0; at < 2; ++at) {
    ends[at] = &loop.Watch([&ends, at](End& self) {
      self.Read();
      ends[1 - at]->Stop();
    });
  }
  End& first = loop.Watch([&](End& self) {
    self.Read();
    TellAnswer();
    for (End* end : ends) end->Send();
  });
  first.Send();
  loop.Turn();
  loop.Turn();
  CHECK_EQ(ends[0]->calls + ends[1]->calls, 1);
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  HandlesAtOnceWhatHasComeIn();
  EndsTurns();
  EndsThemWithTheLoop();
  LeavesSignalsToLibuv();
  CallsNobodyWhoHasStopped();
  return 0;
}
