// When the bricks last said something of an object that a walk takes on trust for a while.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "handle_cache.h"

namespace gfserve {

// Thread-safe, without a lock. Objects share a place by chance: then one seems to have changed because
// the other one has, which costs a lookup.
class LastChanges {
 public:
  using Clock = std::chrono::steady_clock;

  void Add(const Gfid& gfid) { Raise(times_[PlaceOf(gfid)]); }
  // Of any object something may have been said that did not get here.
  void AddAll() { Raise(all_); }

  // Has nothing been said since then?
  bool NoneSince(const Gfid& gfid, Clock::time_point then) const {
    const Clock::rep time = then.time_since_epoch().count();
    return times_[PlaceOf(gfid)].load(std::memory_order_relaxed) < time &&
           all_.load(std::memory_order_relaxed) < time;
  }

 private:
  static constexpr size_t kPlaces = 4096;

  static size_t PlaceOf(const Gfid& gfid) {
    uint64_t half;  // random as it is
    std::memcpy(&half, gfid.data(), sizeof(half));
    return half % kPlaces;
  }

  static void Raise(std::atomic<Clock::rep>& time) {
    time.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  }

  std::array<std::atomic<Clock::rep>, kPlaces> times_{};
  std::atomic<Clock::rep> all_{0};
};

}  // namespace gfserve
