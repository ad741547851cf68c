// HandleCache: what it keeps, what it forgets, and that it never destroys an object under its lock.
#include "../../addon/handle_cache.h"

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

Gfid Parent(uint8_t number) {
  Gfid gfid{};
  gfid[0] = gfid[15] = number;
  return gfid;
}

const Gfid kRoot = Parent(1);

using Ints = HandleCache<const int>;

std::string Held(Ints& cache, const std::string& names) {
  std::string held;
  for (const char name : names) {
    if (cache.Get(kRoot, std::string(1, name))) held += name;
  }
  return held;
}

void Put(Ints& cache, const std::string& name, int value) {
  cache.Put(kRoot, name, std::make_shared<const int>(value));
}

void ForgetsTheLeastRecentlyUsed() {
  Ints cache(3);
  for (const char* name : {"a", "b", "c"}) Put(cache, name, 0);
  CHECK(cache.Get(kRoot, "a"));  // now b is the oldest
  Put(cache, "d", 0);
  CHECK_EQ(Held(cache, "abcd"), std::string("acd"));
  // That looked at a, c and d in this order.
  Put(cache, "e", 0);
  CHECK_EQ(Held(cache, "abcde"), std::string("cde"));
  CHECK_EQ(cache.size(), 3u);
}

void PutReplaces() {
  Ints cache(2);
  Put(cache, "a", 1);
  const std::shared_ptr<const int> first = cache.Get(kRoot, "a");
  Put(cache, "b", 2);
  Put(cache, "a", 3);
  CHECK_EQ(*first, 1);  // whoever has it keeps it
  CHECK_EQ(first.use_count(), 1);
  CHECK_EQ(*cache.Get(kRoot, "a"), 3);
  CHECK_EQ(cache.size(), 2u);
  Put(cache, "c", 4);
  CHECK_EQ(Held(cache, "abc"), std::string("ac"));
}

void OneEntryIsEnough() {
  Ints cache(1);
  for (int i = 0; i < 100; ++i) {
    Put(cache, std::to_string(i), i);
    CHECK_EQ(*cache.Get(kRoot, std::to_string(i)), i);
    CHECK_EQ(cache.size(), 1u);
  }
}

void NamesAreTheirParents() {
  Ints cache(10);
  const std::string name(255, 'n');
  for (uint8_t parent = 1; parent <= 5; ++parent) {
    // The text given to Put need not live on.
    const auto text = std::make_unique<std::string>(name);
    cache.Put(Parent(parent), *text, std::make_shared<const int>(parent));
  }
  cache.Put(kRoot, std::string_view("with\0nul", 8), std::make_shared<const int>(100));
  cache.Put(kRoot, "", std::make_shared<const int>(101));
  for (uint8_t parent = 1; parent <= 5; ++parent) CHECK_EQ(*cache.Get(Parent(parent), name), parent);
  CHECK(!cache.Get(kRoot, "with"));
  CHECK_EQ(*cache.Get(kRoot, std::string_view("with\0nul", 8)), 100);
  CHECK_EQ(*cache.Get(kRoot, ""), 101);
  cache.Erase(Parent(3), name);
  cache.Erase(Parent(3), name);
  CHECK(!cache.Get(Parent(3), name));
  CHECK_EQ(cache.size(), 6u);
  cache.Clear();
  CHECK_EQ(cache.size(), 0u);
  CHECK(!cache.Get(kRoot, name));
  Put(cache, "again", 1);
  CHECK_EQ(cache.size(), 1u);
}

// Its destructor uses the cache: under the cache's lock that would be a deadlock.
struct Nosy {
  HandleCache<Nosy>* cache;
  int* destroyed;
  ~Nosy() {
    ++*destroyed;
    (void)cache->size();
    (void)cache->Get(kRoot, "anything");
    cache->Erase(kRoot, "anything");
  }
};

void DestroysOutsideTheLock() {
  int destroyed = 0;
  HandleCache<Nosy> cache(2);
  const auto make = [&] { return std::shared_ptr<Nosy>(new Nosy{&cache, &destroyed}); };
  cache.Put(kRoot, "a", make());
  cache.Put(kRoot, "a", make());  // replaces
  CHECK_EQ(destroyed, 1);
  cache.Put(kRoot, "b", make());
  cache.Put(kRoot, "c", make());  // pushes a out
  CHECK_EQ(destroyed, 2);
  cache.Erase(kRoot, "b");
  CHECK_EQ(destroyed, 3);
  cache.Put(kRoot, "d", make());
  cache.Clear();
  CHECK_EQ(destroyed, 5);
}

// A slow destructor (glfs_h_close may be one) holds up nobody else.
struct Slow {
  Gate* reached;
  Gate* go_on;
  ~Slow() {
    reached->Open();
    go_on->Wait();
  }
};

void ASlowDestructorHoldsUpNobody() {
  Gate reached, go_on;
  HandleCache<Slow> cache(4);
  cache.Put(kRoot, "a", std::shared_ptr<Slow>(new Slow{&reached, &go_on}));
  std::thread eraser([&] { cache.Erase(kRoot, "a"); });
  reached.Wait();
  CHECK(!cache.Get(kRoot, "a"));
  CHECK_EQ(cache.size(), 0u);
  go_on.Open();
  eraser.join();
}

struct Counted {
  static std::atomic<int> alive;
  const int value;
  explicit Counted(int v) : value(v) { ++alive; }
  ~Counted() { --alive; }
};
std::atomic<int> Counted::alive{0};

void ManyThreads() {
  constexpr int kThreads = 4, kNames = 300, kSteps = 20'000;
  constexpr size_t kCapacity = 100;
  {
    HandleCache<Counted> cache(kCapacity);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&cache, t] {
        std::minstd_rand random(static_cast<unsigned>(t + 1));
        for (int i = 0; i < kSteps; ++i) {
          const int name = static_cast<int>(random() % kNames);
          const Gfid parent = Parent(static_cast<uint8_t>(name % 7));
          const std::string text = "name" + std::to_string(name);
          const unsigned what = random() % 100;
          if (what < 55) {
            const auto found = cache.Get(parent, text);
            if (found) CHECK_EQ(found->value, name);
          } else if (what < 95) {
            cache.Put(parent, text, std::make_shared<Counted>(name));
          } else if (what < 99 || i % 50 != 0) {
            cache.Erase(parent, text);
          } else {
            cache.Clear();
          }
          CHECK(cache.size() <= kCapacity);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(static_cast<size_t>(Counted::alive), cache.size());
  }
  CHECK_EQ(Counted::alive, 0);
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  Run("forgets the least recently used", ForgetsTheLeastRecentlyUsed);
  Run("put replaces", PutReplaces);
  Run("one entry is enough", OneEntryIsEnough);
  Run("names are their parents' names", NamesAreTheirParents);
  Run("destroys outside the lock", DestroysOutsideTheLock);
  Run("a slow destructor holds up nobody", ASlowDestructorHoldsUpNobody);
  Run("many threads", ManyThreads);
}
