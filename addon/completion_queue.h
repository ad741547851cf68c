// Carries results from pool threads to the event loop in batches, with one wake-up a batch.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace gfserve {

// Push may be called from any thread; Take and Detach by the consumer only.
template <typename T>
class CompletionQueue {
 public:
  // `wake` is called from the pushing thread, outside the lock, when the queue goes from empty to
  // non-empty; it must be thread-safe, must not block, and lead to a Take on the consumer's thread.
  explicit CompletionQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  // Returns false, and leaves `item` alone, when the consumer has gone.
  bool Push(T& item) {
    bool was_empty;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (detached_) return false;
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    // Detach takes wake_mutex_ first, so the consumer stays until a wake under way has returned.
    if (was_empty) Wake();
    return true;
  }

  // Swaps the whole batch into `out`, which must be empty; its capacity is reused.
  void Take(std::vector<T>& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    items_.swap(out);
  }

  // After this no wake is called and nothing is accepted; returns what had not been taken.
  std::vector<T> Detach() {
    // Lock order: wake_mutex_ before mutex_, nowhere the other way round.
    std::lock_guard<std::mutex> wake_lock(wake_mutex_);
    std::lock_guard<std::mutex> lock(mutex_);
    detached_ = true;
    wake_ = nullptr;
    return std::move(items_);
  }

 private:
  void Wake() {
    std::lock_guard<std::mutex> lock(wake_mutex_);
    if (wake_) wake_();
  }

  std::mutex wake_mutex_;
  std::function<void()> wake_;  // guarded by wake_mutex_
  std::mutex mutex_;
  std::vector<T> items_;        // guarded by mutex_
  bool detached_ = false;       // guarded by mutex_
};

}  // namespace gfserve
