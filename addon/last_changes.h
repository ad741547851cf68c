// When the bricks last said something of objects, by which a walk knows for how long it may rest on what it saw.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "handle_cache.h"

namespace gfserve {

// Thread-safe, without a lock. Objects share a place by chance: then something seems to have been said of one
// because it was said of the other, which costs a lookup.
class LastChanges {
 public:
  using Clock = std::chrono::steady_clock;

  void Add(const Gfid& gfid) { Raise(times_[PlaceOf(gfid)]); }
  // Of any object something may have been said that did not get here.
  void AddAll() { Raise(all_); }

  // Has nothing been said since then?
  bool NoneSince(const Gfid& gfid, Clock::time_point then) const { return Of(gfid) < then; }

  // When something was said last; the clock's beginning if nothing ever was.
  Clock::time_point Of(const Gfid& gfid) const {
    const Clock::rep time = std::max(times_[PlaceOf(gfid)].load(std::memory_order_relaxed),
                                     all_.load(std::memory_order_relaxed));
    return Clock::time_point(Clock::duration(time));
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
