// ThreadPool: every accepted task is run or dropped, exactly once, and destroyed right after.
#include "../../addon/thread_pool.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

using Accepted = ThreadPool::Accepted;

// What became of one task.
struct Fate {
  std::atomic<int> ran{0}, dropped{0}, destroyed{0};
  std::thread::id by;  // who ran or dropped it; written before `destroyed`
};

class Recorder final : public Task {
 public:
  explicit Recorder(Fate& fate, std::function<void()> body = nullptr)
      : fate_(fate), body_(std::move(body)) {}

  ~Recorder() override {
    const bool used = fate_.ran + fate_.dropped > 0;
    if (used) CHECK(fate_.by == std::this_thread::get_id());
    ++fate_.destroyed;
  }

  void Run() override {
    fate_.by = std::this_thread::get_id();
    ++fate_.ran;
    if (body_) body_();
  }

  void Drop() override {
    fate_.by = std::this_thread::get_id();
    ++fate_.dropped;
    if (body_) body_();
  }

 private:
  Fate& fate_;
  const std::function<void()> body_;
};

std::unique_ptr<Task> Make(Fate& fate, std::function<void()> body = nullptr) {
  return std::make_unique<Recorder>(fate, std::move(body));
}

Accepted Submit(ThreadPool& pool, Fate& fate, std::function<void()> body = nullptr) {
  auto task = Make(fate, std::move(body));
  const Accepted accepted = pool.Submit(task);
  CHECK_EQ(task == nullptr, accepted == Accepted::kYes);  // a refused task stays with the caller
  return accepted;
}

void End(ThreadPool& pool) {
  pool.Shutdown();
  pool.Join();
}

// A pool whose threads are all inside a task until the gate opens.
class BusyPool {
 public:
  BusyPool(size_t threads, size_t max_queued) : fates_(threads), pool(threads, max_queued) {
    // A task at a time: they would not all fit into a short queue.
    for (size_t i = 0; i < threads; ++i) {
      CHECK(Submit(pool, fates_[i], [this] { gate.Wait(); }) == Accepted::kYes);
      CHECK(Eventually([&] { return pool.stats().busy == i + 1; }));
    }
  }

  ~BusyPool() {
    gate.Open();
    End(pool);
    for (Fate& fate : fates_) CHECK_EQ(fate.ran, 1);
  }

 private:
  std::vector<Fate> fates_;

 public:
  Gate gate;
  ThreadPool pool;
};

void BoundIsExact() {
  std::vector<Fate> fates(4);
  {
    BusyPool busy(2, 3);
    for (size_t i = 0; i < 3; ++i) CHECK(Submit(busy.pool, fates[i]) == Accepted::kYes);
    CHECK(Submit(busy.pool, fates[3]) == Accepted::kFull);
    CHECK_EQ(fates[3].destroyed, 1);
    CHECK_EQ(busy.pool.stats().queued, 3u);
    CHECK_EQ(busy.pool.stats().threads, 2u);
    busy.gate.Open();
    CHECK(Eventually([&] { return fates[0].ran + fates[1].ran + fates[2].ran == 3; }));
  }
  CHECK_EQ(fates[3].ran + fates[3].dropped, 0);
}

void UrgentTasksPassTheBoundAndTheQueue() {
  std::vector<Fate> fates(4);
  std::string order;
  BusyPool busy(1, 2);
  CHECK(Submit(busy.pool, fates[0], [&] { order += 'a'; }) == Accepted::kYes);
  CHECK(Submit(busy.pool, fates[1], [&] { order += 'b'; }) == Accepted::kYes);
  for (size_t i = 2; i < 4; ++i) {
    auto task = Make(fates[i], [&order, i] { order += i == 2 ? 'U' : 'V'; });
    CHECK(busy.pool.SubmitUrgent(task) == Accepted::kYes);
    CHECK(task == nullptr);
  }
  busy.gate.Open();
  CHECK(Eventually([&] { return busy.pool.stats().queued == 0 && busy.pool.stats().busy == 0; }));
  CHECK_EQ(order, std::string("UVab"));
}

void ShutdownDropsWhatWaitsOnItsOwnThread() {
  std::vector<Fate> fates(6);
  Fate running;
  Gate gate;
  ThreadPool pool(1, 10);
  CHECK(Submit(pool, running, [&] { gate.Wait(); }) == Accepted::kYes);
  CHECK(Eventually([&] { return pool.stats().busy == 1; }));
  for (size_t i = 0; i < 3; ++i) CHECK(Submit(pool, fates[i]) == Accepted::kYes);
  auto urgent = Make(fates[3]);
  CHECK(pool.SubmitUrgent(urgent) == Accepted::kYes);
  pool.Shutdown();
  for (size_t i = 0; i < 4; ++i) {
    CHECK_EQ(fates[i].dropped, 1);
    CHECK_EQ(fates[i].ran, 0);
    CHECK_EQ(fates[i].destroyed, 1);
    CHECK(fates[i].by == std::this_thread::get_id());
  }
  CHECK_EQ(running.destroyed, 0);
  CHECK(Submit(pool, fates[4]) == Accepted::kShutDown);
  urgent = Make(fates[5]);
  CHECK(pool.SubmitUrgent(urgent) == Accepted::kShutDown);
  CHECK(urgent != nullptr);
  urgent.reset();
  pool.Shutdown();  // the second time does nothing
  gate.Open();
  pool.Join();
  CHECK_EQ(running.ran, 1);
  CHECK_EQ(running.destroyed, 1);
  CHECK_EQ(pool.stats().threads, 0u);
}

// Drop runs outside the pool's lock: volumes and completion queues are locked in it.
void DropMayCallThePool() {
  Fate blocker, dropped, refused;
  Gate gate;
  ThreadPool pool(1, 10);
  CHECK(Submit(pool, blocker, [&] { gate.Wait(); }) == Accepted::kYes);
  CHECK(Eventually([&] { return pool.stats().busy == 1; }));
  CHECK(Submit(pool, dropped, [&] {
          CHECK_EQ(pool.stats().queued, 0u);
          CHECK(Submit(pool, refused) == Accepted::kShutDown);
        }) == Accepted::kYes);
  pool.Shutdown();
  CHECK_EQ(dropped.dropped, 1);
  gate.Open();
  pool.Join();
}

// A task may submit others, as jobs do that give up resources.
void TasksMaySubmitTasks() {
  constexpr int kTasks = 1000;
  std::vector<Fate> fates(kTasks);
  ThreadPool pool(3, kTasks);
  std::function<void(int)> submit = [&](int i) {
    CHECK(Submit(pool, fates[static_cast<size_t>(i)], [&submit, i] {
            if (i + 1 < kTasks) submit(i + 1);
          }) == Accepted::kYes);
  };
  submit(0);
  CHECK(Eventually([&] { return fates[kTasks - 1].destroyed == 1; }));
  End(pool);
}

// Submitters race with one another, with the threads and with Shutdown.
void EachTaskHasOneFate() {
  constexpr size_t kSubmitters = 4, kEach = 5000;
  for (int round = 0; round < 4; ++round) {
    std::vector<Fate> fates(kSubmitters * kEach);
    std::atomic<size_t> accepted{0}, full{0}, late{0};
    ThreadPool pool(3, 64);
    std::vector<std::thread> submitters;
    for (size_t s = 0; s < kSubmitters; ++s) {
      submitters.emplace_back([&, s] {
        for (size_t i = 0; i < kEach; ++i) {
          Fate& fate = fates[s * kEach + i];
          auto task = Make(fate);
          switch (i % 7 == 0 ? pool.SubmitUrgent(task) : pool.Submit(task)) {
            case Accepted::kYes:
              ++accepted;
              break;
            case Accepted::kFull:
              ++full;
              break;
            case Accepted::kShutDown:
              ++late;
              break;
          }
        }
      });
    }
    if (round % 2 == 0) {
      CHECK(Eventually([&] { return accepted + full > kEach; }));
    } else {
      for (std::thread& submitter : submitters) submitter.join();
      submitters.clear();
    }
    End(pool);
    for (std::thread& submitter : submitters) submitter.join();
    size_t used = 0;
    for (const Fate& fate : fates) {
      CHECK(fate.ran + fate.dropped <= 1);
      CHECK_EQ(fate.destroyed, 1);
      used += static_cast<size_t>(fate.ran + fate.dropped);
    }
    CHECK_EQ(used, accepted.load());
    CHECK_EQ(accepted + full + late, fates.size());
    if (round % 2 == 1) CHECK_EQ(late.load(), 0u);
  }
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  Run("the bound is exact", BoundIsExact);
  Run("urgent tasks pass the bound and the queue", UrgentTasksPassTheBoundAndTheQueue);
  Run("shutdown drops what waits on its own thread", ShutdownDropsWhatWaitsOnItsOwnThread);
  Run("drop may call the pool", DropMayCallThePool);
  Run("tasks may submit tasks", TasksMaySubmitTasks);
  Run("each task has one fate", EachTaskHasOneFate);
}
