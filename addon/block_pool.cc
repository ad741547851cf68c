#include "block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>

namespace gfserve {

BlockPool::~BlockPool() {
  for (auto& block : by_id_) {
    if (block) munmap(block->data, block->capacity);
  }
}

Block* BlockPool::Acquire(size_t size) {
  assert(size <= kLargest);
  uint32_t index = 0;
  while (kClasses[index] < size) ++index;

  std::lock_guard<std::mutex> lock(mutex_);
  SizeClass& size_class = classes_[index];
  if (!size_class.idle.empty()) {
    Block* block = size_class.idle.back();
    size_class.idle.pop_back();
    size_class.least_idle = std::min(size_class.least_idle, size_class.idle.size());
    ++in_use_;
    return block;
  }
  const size_t capacity = kClasses[index];
  void* data = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  uint32_t id;
  if (free_ids_.empty()) {
    id = static_cast<uint32_t>(by_id_.size());
    by_id_.emplace_back();
  } else {
    id = free_ids_.back();
    free_ids_.pop_back();
  }
  by_id_[id].reset(new Block{id, index, capacity, static_cast<uint8_t*>(data)});
  ++in_use_;
  bytes_ += capacity;
  return by_id_[id].get();
}

void BlockPool::Release(Block* block) {
  std::lock_guard<std::mutex> lock(mutex_);
  classes_[block->size_class].idle.push_back(block);
  --in_use_;
}

Block* BlockPool::Find(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  return id < by_id_.size() ? by_id_[id].get() : nullptr;
}

std::vector<Block*> BlockPool::TrimIdle() {
  std::vector<Block*> trimmed;
  std::lock_guard<std::mutex> lock(mutex_);
  for (SizeClass& size_class : classes_) {
    // Half of what was never needed: memory goes back within seconds, without thrashing.
    const size_t count = (size_class.least_idle + 1) / 2;
    trimmed.insert(trimmed.end(), size_class.idle.begin(), size_class.idle.begin() + static_cast<std::ptrdiff_t>(count));
    size_class.idle.erase(size_class.idle.begin(), size_class.idle.begin() + static_cast<std::ptrdiff_t>(count));
    size_class.least_idle = size_class.idle.size();
  }
  return trimmed;
}

void BlockPool::Free(const std::vector<Block*>& blocks) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Block* block : blocks) {
    munmap(block->data, block->capacity);
    bytes_ -= block->capacity;
    free_ids_.push_back(block->id);
    by_id_[block->id].reset();
  }
}

BlockPool::Stats BlockPool::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {by_id_.size() - free_ids_.size(), in_use_, bytes_};
}

}  // namespace gfserve
