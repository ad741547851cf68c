// Reusable memory for file bodies: written by pool threads, read by the event loop, never copied.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace gfserve {

// A piece of memory with a number. Whoever acquired it owns it until it is released.
struct Block {
  uint32_t id;
  uint32_t size_class;
  size_t capacity;  // bytes
  uint8_t* data;    // mmap'ed: goes back to the kernel when the block is freed
};

// Thread-safe. Blocks live until TrimIdle gives them up or the pool is destroyed. The pool must
// outlive every thread that may write into a block: jobs hold it by shared_ptr.
class BlockPool {
 public:
  static constexpr std::array<size_t, 4> kClasses = {16u << 10, 64u << 10, 256u << 10, 1u << 20};
  static constexpr size_t kLargest = kClasses.back();

  struct Stats {
    size_t blocks;     // allocated, in use or idle
    size_t in_use;     // acquired and not yet released
    size_t bytes;      // allocated
  };

  BlockPool() = default;
  ~BlockPool();

  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of at least `size` bytes (at most kLargest), or null when memory is out.
  Block* Acquire(size_t size);
  // Gives a block back. Its memory may be handed out again at once.
  void Release(Block* block);
  // The block with this number, or null. Only for a block that the caller owns.
  Block* Find(uint32_t id);

  // Takes out the blocks that have not been needed since the last call, so that they can be
  // detached from their JavaScript views first and then given to Free. Call it about once a second.
  std::vector<Block*> TrimIdle();
  // Unmaps what TrimIdle returned.
  void Free(const std::vector<Block*>& blocks);

  Stats stats() const;

 private:
  struct SizeClass {
    std::vector<Block*> idle;  // last released first: the warmest memory
    size_t least_idle = 0;     // fewest idle blocks since the last TrimIdle
  };

  mutable std::mutex mutex_;
  std::array<SizeClass, kClasses.size()> classes_;  // guarded by mutex_, as all below
  std::vector<std::unique_ptr<Block>> by_id_;       // null where an id is free
  std::vector<uint32_t> free_ids_;
  size_t in_use_ = 0;
  size_t bytes_ = 0;
};

}  // namespace gfserve
