// Objects whose names may have changed, as the bricks said of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "handle_cache.h"

namespace gfserve {

// Thread-safe.
class Doubts {
 public:
  void Add(const Gfid& gfid) {
    std::lock_guard<std::mutex> lock(mutex_);
    // So many at once are a rename storm: what is dropped then is only found out later.
    if (versions_.size() >= kCapacity) versions_.erase(versions_.begin());
    versions_[gfid] = ++last_;
    count_.store(versions_.size(), std::memory_order_relaxed);
  }

  // 0: there is none. Otherwise a number to settle it by.
  uint64_t Of(const Gfid& gfid) const {
    if (count_.load(std::memory_order_relaxed) == 0) return 0;
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = versions_.find(gfid);
    return found == versions_.end() ? 0 : found->second;
  }

  // The name was seen to be right after the doubt had come; a newer one stays.
  void Settle(const Gfid& gfid, uint64_t version) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = versions_.find(gfid);
    if (found != versions_.end() && found->second == version) versions_.erase(found);
    count_.store(versions_.size(), std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kCapacity = 65536;

  struct Hash {
    size_t operator()(const Gfid& gfid) const {
      size_t half;  // random as it is
      std::memcpy(&half, gfid.data(), sizeof(half));
      return half;
    }
  };

  std::atomic<size_t> count_{0};  // of versions_, so that nearly every request takes no lock
  mutable std::mutex mutex_;
  uint64_t last_ = 0;                                  // guarded by mutex_
  std::unordered_map<Gfid, uint64_t, Hash> versions_;  // guarded by mutex_
};

}  // namespace gfserve
