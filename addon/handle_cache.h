// An LRU of objects by (parent gfid, name): it keeps gfapi handles held, and so their inodes warm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace gfserve {

using Gfid = std::array<uint8_t, 16>;

// Thread-safe. A T whose last reference is dropped here is destroyed outside the lock, on the
// calling thread, so a slow destructor (glfs_h_close) never holds up other threads.
template <typename T>
class HandleCache {
 public:
  // `capacity` is in entries, at least 1.
  explicit HandleCache(size_t capacity) : capacity_(capacity) {}

  HandleCache(const HandleCache&) = delete;
  HandleCache& operator=(const HandleCache&) = delete;

  // The object held under this name, or null; makes it the most recently used.
  std::shared_ptr<T> Get(const Gfid& parent, std::string_view name) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = index_.find(Key{parent, name});
    if (found == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->value;
  }

  // Holds `value` under this name in place of what was held there; when full, forgets the least
  // recently used name and returns what was held under it, else null.
  std::shared_ptr<T> Put(const Gfid& parent, std::string_view name, std::shared_ptr<T> value) {
    Order retired;  // declared before the lock: destroyed after it is released
    std::shared_ptr<T> evicted;
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = index_.find(Key{parent, name});
    if (found != index_.end()) Unlink(found, retired);
    order_.push_front(Entry{parent, std::string(name), std::move(value)});
    const Entry& entry = order_.front();
    index_.emplace(Key{entry.parent, entry.name}, order_.begin());
    if (order_.size() > capacity_) {
      const Entry& last = order_.back();
      evicted = last.value;
      Unlink(index_.find(Key{last.parent, last.name}), retired);
    }
    return evicted;
  }

  // Forgets the name; nothing happens when it is not held.
  void Erase(const Gfid& parent, std::string_view name) {
    Order retired;
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = index_.find(Key{parent, name});
    if (found != index_.end()) Unlink(found, retired);
  }

  // Forgets everything.
  void Clear() {
    Order retired;
    std::lock_guard<std::mutex> lock(mutex_);
    index_.clear();
    retired.swap(order_);
  }

  size_t size() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return index_.size();
  }

 private:
  struct Entry {
    Gfid parent;
    std::string name;
    std::shared_ptr<T> value;
  };
  using Order = std::list<Entry>;

  // `name` points into the entry itself, which a list never moves.
  struct Key {
    Gfid parent;
    std::string_view name;
    bool operator==(const Key& other) const {
      return parent == other.parent && name == other.name;
    }
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      // A gfid is random already: half of it is a hash.
      uint64_t half;
      std::memcpy(&half, key.parent.data(), sizeof(half));
      return static_cast<size_t>(half) ^ (std::hash<std::string_view>()(key.name) * 0x9E3779B97F4A7C15ull);
    }
  };
  using Index = std::unordered_map<Key, typename Order::iterator, KeyHash>;

  void Unlink(typename Index::iterator found, Order& retired) {
    auto entry = found->second;
    index_.erase(found);  // before the entry moves: the key points into it
    retired.splice(retired.begin(), order_, entry);
  }

  const size_t capacity_;
  mutable std::mutex mutex_;
  Order order_;  // most recently used first; guarded by mutex_
  Index index_;  // guarded by mutex_
};

}  // namespace gfserve
