// NoticeQueue: batches, duplicates, the bound, and the end of whoever takes. LastChanges and Trail beside it.
#include "../../addon/notice_queue.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "../../addon/last_changes.h"
#include "../../addon/trail.h"
#include "check.h"

namespace gfserve::test {
namespace {

Gfid Number(uint32_t number) {
  Gfid gfid{};
  std::memcpy(gfid.data(), &number, sizeof(number));
  std::memcpy(gfid.data() + 8, &number, sizeof(number));
  return gfid;
}

Notice Changed(uint32_t number, uint32_t volume = 1) { return {volume, Notice::kChanged, Number(number)}; }

std::vector<Notice> Take(NoticeQueue& queue) {
  std::vector<Notice> batch;
  queue.Take(batch);
  return batch;
}

void Batches() {
  int wakes = 0;
  NoticeQueue queue([&] { ++wakes; });
  for (uint32_t i = 0; i < 10; ++i) queue.Push(Changed(i));
  CHECK_EQ(wakes, 1);
  const std::vector<Notice> batch = Take(queue);
  CHECK_EQ(batch.size(), 10u);
  for (uint32_t i = 0; i < 10; ++i) CHECK(batch[i] == Changed(i));
  CHECK(Take(queue).empty());
  CHECK_EQ(wakes, 1);
  queue.Push(Changed(3));
  CHECK_EQ(wakes, 2);
  CHECK_EQ(Take(queue).size(), 1u);
}

void Duplicates() {
  NoticeQueue queue([] {});
  for (int round = 0; round < 3; ++round) {
    for (const uint32_t i : {7u, 8u}) queue.Push(Changed(i));
    queue.Push(Changed(7, 2));
    queue.Push({1, Notice::kUnwatched, Number(7)});
  }
  // Another volume's takes the place, so that the first one's is not always known to be there.
  const std::vector<Notice> batch = Take(queue);
  CHECK(batch.size() >= 4 && batch.size() <= 8);
  // What was taken is no duplicate of what comes later.
  queue.Push(Changed(8));
  CHECK_EQ(Take(queue).size(), 1u);
}

void Bound() {
  int wakes = 0;
  NoticeQueue queue([&] { ++wakes; }, 100);
  for (uint32_t i = 0; i < 100; ++i) queue.Push(Changed(i));
  CHECK_EQ(Take(queue).size(), 100u);
  for (uint32_t i = 0; i < 300; ++i) queue.Push(Changed(i));
  const std::vector<Notice> batch = Take(queue);
  CHECK_EQ(batch.size(), 1u);
  CHECK(batch[0] == (Notice{0, Notice::kLost, {}}));
  queue.Push(Changed(1));
  CHECK_EQ(Take(queue).size(), 1u);
  CHECK_EQ(wakes, 3);
}

void Detached() {
  std::atomic<int> wakes{0};
  NoticeQueue queue([&] { ++wakes; });
  std::atomic<bool> end{false};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint32_t i = thread; !end; i += 3) queue.Push(Changed(i));
    });
  }
  for (int i = 0; i < 100; ++i) {
    Take(queue);
    std::this_thread::yield();
  }
  queue.Detach();
  const int before = wakes;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_EQ(wakes.load(), before);
  CHECK(Take(queue).empty());
  end = true;
  for (std::thread& thread : threads) thread.join();
}

void Changes() {
  LastChanges changes;
  const auto before = LastChanges::Clock::now();
  CHECK(changes.NoneSince(Number(1), before));
  CHECK(changes.Of(Number(1)) == LastChanges::Clock::time_point());
  changes.Add(Number(1));
  CHECK(changes.Of(Number(1)) >= before && changes.Of(Number(1)) <= LastChanges::Clock::now());
  CHECK(changes.Of(Number(2)) == LastChanges::Clock::time_point());
  CHECK(!changes.NoneSince(Number(1), before));
  CHECK(changes.NoneSince(Number(2), before));
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto after = LastChanges::Clock::now();
  CHECK(changes.NoneSince(Number(1), after));
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  changes.AddAll();
  CHECK(!changes.NoneSince(Number(1), after));
  CHECK(!changes.NoneSince(Number(3), after));
  CHECK(changes.Of(Number(3)) > after);
}

void Trails() {
  Trail trail;
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < Trail::kMost; ++i) trail.Add(Number(i));
    CHECK_EQ(trail.size(), Trail::kMost);
    CHECK(!trail.too_many());
  }
  trail.Add(Number(100));
  CHECK(trail.too_many());
  trail.Clear();
  CHECK(!trail.too_many());
  CHECK_EQ(trail.size(), 0u);
  trail.Add(Number(5));
  CHECK(*trail.begin() == Number(5));
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  Run("batches", Batches);
  Run("duplicates", Duplicates);
  Run("the bound", Bound);
  Run("a consumer that goes", Detached);
  Run("last changes", Changes);
  Run("trails", Trails);
}
