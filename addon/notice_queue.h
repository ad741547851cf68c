// Carries what is said of objects (that they changed, that changes will not be told) to the event loop,
// in batches, with one wake-up a batch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "handle_cache.h"

namespace gfserve {

// Crosses into JavaScript as it is: src/storage/native.ts knows the layout and the numbers.
struct Notice {
  enum Kind : uint32_t {
    kChanged = 0,    // content, attributes or, of a folder, entries
    kUnwatched = 1,  // changes will not be told any more
    kLost = 2,       // of any object of any volume either may have come: `volume` and `gfid` are 0
  };
  uint32_t volume;
  uint32_t kind;
  Gfid gfid;

  bool operator==(const Notice& other) const {
    return volume == other.volume && kind == other.kind && gfid == other.gfid;
  }
};
static_assert(sizeof(Notice) == 24);

// Push may be called from any thread; Take and Detach by the consumer only. The consumer may go first:
// then nothing is accepted any more.
class NoticeQueue {
 public:
  static constexpr size_t kCapacity = 65536;

  // `wake`: as for CompletionQueue. More than `capacity` waiting notices become one kLost.
  explicit NoticeQueue(std::function<void()> wake, size_t capacity = kCapacity)
      : capacity_(capacity), wake_(std::move(wake)) {}

  NoticeQueue(const NoticeQueue&) = delete;
  NoticeQueue& operator=(const NoticeQueue&) = delete;

  void Push(const Notice& notice) {
    bool was_empty;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      // What comes before a kLost is taken is part of it.
      if (detached_ || lost_) return;
      // Each replica tells of the same change. A slot that is out of date names another notice, or none.
      uint32_t& slot = recent_[SlotOf(notice)];
      if (slot < waiting_.size() && waiting_[slot] == notice) return;
      was_empty = waiting_.empty();
      if (waiting_.size() >= capacity_) {
        waiting_.clear();
        waiting_.push_back({0, Notice::kLost, {}});
        lost_ = true;
      } else {
        slot = static_cast<uint32_t>(waiting_.size());
        waiting_.push_back(notice);
      }
    }
    if (was_empty) Wake();
  }

  // Swaps the whole batch into `out`, which must be empty; its capacity is reused.
  void Take(std::vector<Notice>& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.swap(out);
    lost_ = false;
  }

  // After this no wake is called and nothing is accepted.
  void Detach() {
    // Lock order: wake_mutex_ before mutex_. A wake under way has returned when this has it.
    std::lock_guard<std::mutex> wake_lock(wake_mutex_);
    std::lock_guard<std::mutex> lock(mutex_);
    detached_ = true;
    waiting_.clear();
    wake_ = nullptr;
  }

 private:
  static constexpr size_t kSlots = 1024;

  static size_t SlotOf(const Notice& notice) {
    uint64_t half;  // random as it is
    std::memcpy(&half, notice.gfid.data(), sizeof(half));
    return (half ^ notice.kind) % kSlots;
  }

  void Wake() {
    std::lock_guard<std::mutex> lock(wake_mutex_);
    if (wake_) wake_();
  }

  const size_t capacity_;
  std::mutex wake_mutex_;
  std::function<void()> wake_;  // guarded by wake_mutex_
  std::mutex mutex_;
  std::vector<Notice> waiting_;             // guarded by mutex_, as all below
  std::array<uint32_t, kSlots> recent_{};   // where in waiting_ a notice may be
  bool lost_ = false;                       // waiting_ is one kLost
  bool detached_ = false;
};

}  // namespace gfserve
