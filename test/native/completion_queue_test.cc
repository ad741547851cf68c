// CompletionQueue: nothing is lost or doubled, one wake-up a batch, and none after Detach.
#include "../../addon/completion_queue.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

// Owns memory, so that a lost item leaks and a doubled one is freed twice.
using Item = std::unique_ptr<size_t>;
using Queue = CompletionQueue<Item>;

bool Push(Queue& queue, size_t value) {
  Item item = std::make_unique<size_t>(value);
  const bool taken = queue.Push(item);
  CHECK_EQ(item == nullptr, taken);
  return taken;
}

void OneWakePerBatch() {
  int wakes = 0;
  Queue queue([&] { ++wakes; });
  std::vector<Item> batch;
  for (int round = 1; round <= 3; ++round) {
    for (size_t i = 0; i < 5; ++i) CHECK(Push(queue, i));
    CHECK_EQ(wakes, round);
    batch.clear();
    queue.Take(batch);
    CHECK_EQ(batch.size(), 5u);
    for (size_t i = 0; i < 5; ++i) CHECK_EQ(*batch[i], i);
  }
  batch.clear();
  queue.Take(batch);
  CHECK(batch.empty());
  CHECK_EQ(wakes, 3);
}

// The consumer may take before it is woken: the wake-up is then for nothing, but none is missing.
void AWakeMayComeTooLate() {
  Gate in_wake, go_on;
  std::atomic<int> wakes{0};
  Queue queue([&] {
    if (++wakes == 1) {
      in_wake.Open();
      go_on.Wait();
    }
  });
  std::thread pusher([&] { CHECK(Push(queue, 1)); });
  in_wake.Wait();
  std::vector<Item> batch;
  queue.Take(batch);
  CHECK_EQ(batch.size(), 1u);
  std::thread second([&] { CHECK(Push(queue, 2)); });
  CHECK(Eventually([&] {
    batch.clear();
    queue.Take(batch);
    return batch.size() == 1;
  }));
  go_on.Open();
  pusher.join();
  second.join();
  CHECK_EQ(wakes, 2);
}

void ManyProducersOneConsumer() {
  constexpr size_t kProducers = 4, kEach = 20'000;
  std::mutex mutex;
  std::condition_variable changed;
  size_t wakes = 0;  // guarded by mutex
  Queue queue([&] {
    std::lock_guard<std::mutex> lock(mutex);
    ++wakes;
    changed.notify_one();
  });
  std::vector<std::thread> producers;
  for (size_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (size_t i = 0; i < kEach; ++i) CHECK(Push(queue, p * kEach + i));
    });
  }
  std::vector<size_t> next(kProducers, 0);
  std::vector<Item> batch;
  size_t got = 0, batches = 0, seen_wakes = 0;
  while (got < kProducers * kEach) {
    {
      // Only ever waits for a wake-up: a missing one is a hang, and the runner kills us.
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return wakes > seen_wakes; });
      seen_wakes = wakes;
    }
    batch.clear();
    queue.Take(batch);
    if (!batch.empty()) ++batches;
    for (const Item& item : batch) {
      const size_t producer = *item / kEach;
      CHECK_EQ(*item % kEach, next[producer]);  // each producer's items in its order
      ++next[producer];
      ++got;
    }
  }
  for (std::thread& producer : producers) producer.join();
  std::lock_guard<std::mutex> lock(mutex);
  CHECK_EQ(wakes, batches);
}

// What the wake-up uses may go as soon as Detach has returned.
void DetachWhilePushing() {
  constexpr size_t kProducers = 3;
  for (int round = 0; round < 200; ++round) {
    auto target = std::make_unique<std::atomic<int>>(0);
    Queue queue([raw = target.get()] { ++*raw; });
    std::atomic<size_t> accepted{0};
    std::vector<std::thread> producers;
    for (size_t p = 0; p < kProducers; ++p) {
      producers.emplace_back([&] {
        for (size_t i = 0; Push(queue, i); ++i) ++accepted;
      });
    }
    std::vector<Item> batch;
    size_t taken = 0;
    for (int i = 0; i < round % 5; ++i) {
      batch.clear();
      queue.Take(batch);
      taken += batch.size();
      std::this_thread::yield();
    }
    const std::vector<Item> left = queue.Detach();
    target.reset();
    for (std::thread& producer : producers) producer.join();
    CHECK_EQ(taken + left.size(), accepted.load());
    CHECK(!Push(queue, 0));
    CHECK(queue.Detach().empty());
  }
}

// Detach waits for a wake-up under way, but not for one that waits for it to take.
void DetachWaitsForAWakeUnderWay() {
  Gate in_wake, go_on;
  std::atomic<bool> detached{false}, done{false};
  Queue queue([&] {
    in_wake.Open();
    go_on.Wait();
    CHECK(!detached);
    done = true;
  });
  std::thread pusher([&] { CHECK(Push(queue, 1)); });
  in_wake.Wait();
  std::thread detacher([&] {
    CHECK_EQ(queue.Detach().size(), 1u);
    detached = true;
    CHECK(done);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(!detached);
  go_on.Open();
  detacher.join();
  pusher.join();
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  Run("one wake-up per batch", OneWakePerBatch);
  Run("a wake-up may come too late", AWakeMayComeTooLate);
  Run("many producers, one consumer", ManyProducersOneConsumer);
  Run("detach while pushing", DetachWhilePushing);
  Run("detach waits for a wake-up under way", DetachWaitsForAWakeUnderWay);
}
