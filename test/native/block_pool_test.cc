// BlockPool: a block has one owner at a time, and its memory goes back to the kernel.
#include "../../addon/block_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

bool IsMapped(const void* address) {
  unsigned char resident;
  if (mincore(const_cast<void*>(address), 1, &resident) == 0) return true;
  CHECK_EQ(errno, ENOMEM);
  return false;
}

// Trims as the addon does, and says how many blocks went.
size_t Trim(BlockPool& pool) {
  const std::vector<Block*> trimmed = pool.TrimIdle();
  pool.Free(trimmed);
  return trimmed.size();
}

void ClassesFit() {
  BlockPool pool;
  const struct {
    size_t size, capacity;
  } cases[] = {
      {0, 16 << 10},           {1, 16 << 10},         {16 << 10, 16 << 10},
      {(16 << 10) + 1, 64 << 10}, {64 << 10, 64 << 10},  {(64 << 10) + 1, 256 << 10},
      {256 << 10, 256 << 10},  {(256 << 10) + 1, 1 << 20}, {1 << 20, 1 << 20},
  };
  size_t bytes = 0;
  std::vector<Block*> blocks;
  for (const auto& one : cases) {
    Block* block = pool.Acquire(one.size);
    CHECK(block);
    CHECK_EQ(block->capacity, one.capacity);
    CHECK(pool.Find(block->id) == block);
    std::memset(block->data, 1, block->capacity);
    bytes += block->capacity;
    blocks.push_back(block);
  }
  CHECK_EQ(pool.stats().blocks, blocks.size());
  CHECK_EQ(pool.stats().in_use, blocks.size());
  CHECK_EQ(pool.stats().bytes, bytes);
  CHECK(pool.Find(static_cast<uint32_t>(blocks.size())) == nullptr);
  CHECK(pool.Find(UINT32_MAX) == nullptr);
  for (Block* block : blocks) pool.Release(block);
  CHECK_EQ(pool.stats().in_use, 0u);
  CHECK_EQ(pool.stats().bytes, bytes);
}

void HandsOutTheWarmestFirst() {
  BlockPool pool;
  Block* a = pool.Acquire(1);
  Block* b = pool.Acquire(1);
  CHECK(a->data != b->data);
  pool.Release(b);
  pool.Release(a);
  CHECK(pool.Acquire(1) == a);
  CHECK(pool.Acquire(1) == b);
  pool.Release(a);
  pool.Release(b);
  CHECK_EQ(pool.stats().blocks, 2u);
}

void TrimsOnlyWhatWasNotNeeded() {
  BlockPool pool;
  std::vector<Block*> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(pool.Acquire(100'000));
  for (Block* block : blocks) pool.Release(block);
  CHECK_EQ(Trim(pool), 0u);  // all were needed since the last call, the first one
  for (int i = 0; i < 6; ++i) blocks[static_cast<size_t>(i)] = pool.Acquire(100'000);
  for (int i = 0; i < 6; ++i) pool.Release(blocks[static_cast<size_t>(i)]);
  CHECK_EQ(Trim(pool), 1u);  // half of the two that stayed idle
  CHECK_EQ(pool.stats().blocks, 7u);
  CHECK_EQ(Trim(pool), 4u);
  CHECK_EQ(Trim(pool), 2u);
  CHECK_EQ(Trim(pool), 1u);
  CHECK_EQ(Trim(pool), 0u);
  CHECK_EQ(pool.stats().blocks, 0u);
  CHECK_EQ(pool.stats().bytes, 0u);
}

void FreedMemoryIsGone() {
  const uint8_t* kept = nullptr;
  {
    BlockPool pool;
    Block* idle = pool.Acquire(1 << 20);
    Block* busy = pool.Acquire(1 << 20);
    const uint8_t* freed = idle->data;
    const uint32_t id = idle->id;
    kept = busy->data;
    pool.Release(idle);
    Trim(pool);
    const std::vector<Block*> trimmed = pool.TrimIdle();
    CHECK_EQ(trimmed.size(), 1u);
    CHECK(trimmed[0] == idle);
    CHECK(IsMapped(freed));           // its JavaScript view is being detached
    CHECK(pool.Acquire(1) != idle);   // and nobody gets it meanwhile
    pool.Free(trimmed);
    CHECK(!IsMapped(freed));
    CHECK(pool.Find(id) == nullptr);
    CHECK(IsMapped(kept));
    CHECK_EQ(pool.Acquire(1)->id, id);  // numbers are used again
  }
  CHECK(!IsMapped(kept));
}

// Threads write into their blocks while the loop reads, releases and trims.
void ManyThreads() {
  constexpr int kThreads = 3, kEach = 4000;
  BlockPool pool;
  std::mutex mutex;
  std::deque<std::pair<Block*, uint64_t>> done;  // guarded by mutex, as the next
  std::set<const Block*> out;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(static_cast<unsigned>(t + 1));
      for (int i = 0; i < kEach; ++i) {
        Block* block = pool.Acquire(random() % BlockPool::kLargest);
        CHECK(block);
        const uint64_t mark = (static_cast<uint64_t>(t) << 32) | static_cast<uint64_t>(i);
        std::memcpy(block->data, &mark, sizeof(mark));
        std::memcpy(block->data + block->capacity - sizeof(mark), &mark, sizeof(mark));
        std::lock_guard<std::mutex> lock(mutex);
        CHECK(out.insert(block).second);
        done.emplace_back(block, mark);
      }
      --running;
    });
  }
  size_t freed = 0;
  for (int round = 0;; ++round) {
    const bool last = running == 0;
    std::deque<std::pair<Block*, uint64_t>> batch;
    {
      std::lock_guard<std::mutex> lock(mutex);
      batch.swap(done);
    }
    for (const auto& [block, mark] : batch) {
      CHECK_EQ(std::memcmp(block->data, &mark, sizeof(mark)), 0);
      const uint8_t* end = block->data + block->capacity - sizeof(mark);
      CHECK_EQ(std::memcmp(end, &mark, sizeof(mark)), 0);
      CHECK(pool.Find(block->id) == block);
      std::lock_guard<std::mutex> lock(mutex);
      out.erase(block);
      pool.Release(block);
    }
    if (round % 8 == 0) freed += Trim(pool);
    if (last && batch.empty()) break;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(pool.stats().in_use, 0u);
  CHECK(freed > 0);
  for (int i = 0; i < 30; ++i) Trim(pool);
  CHECK_EQ(pool.stats().bytes, 0u);
  CHECK_EQ(pool.stats().blocks, 0u);
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  Run("classes fit", ClassesFit);
  Run("hands out the warmest first", HandsOutTheWarmestFirst);
  Run("trims only what was not needed", TrimsOnlyWhatWasNotNeeded);
  Run("freed memory is gone", FreedMemoryIsGone);
  Run("many threads", ManyThreads);
}
