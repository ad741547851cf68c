#include "thread_pool.h"

#include <pthread.h>

#include <cassert>
#include <utility>

namespace gfserve {

ThreadPool::ThreadPool(size_t threads, size_t max_queued) : max_queued_(max_queued) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Loop(); });
    pthread_setname_np(threads_.back().native_handle(), "gfs-io");
  }
}

ThreadPool::~ThreadPool() { assert(threads_.empty()); }

bool ThreadPool::MustWake() {
  if (waking_ || idle_ == 0) return false;
  waking_ = true;
  return true;
}

ThreadPool::Accepted ThreadPool::Submit(std::unique_ptr<Task>& task) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return Accepted::kShutDown;
    // What an idle thread is about to take does not wait.
    if (queue_.size() >= max_queued_ + idle_) return Accepted::kFull;
    queue_.push_back(std::move(task));
    wake = MustWake();
  }
  if (wake) wake_.notify_one();
  return Accepted::kYes;
}

ThreadPool::Accepted ThreadPool::SubmitUrgent(std::unique_ptr<Task>& task) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return Accepted::kShutDown;
    urgent_.push_back(std::move(task));
    wake = MustWake();
  }
  if (wake) wake_.notify_one();
  return Accepted::kYes;
}

void ThreadPool::Shutdown() {
  std::deque<std::unique_ptr<Task>> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    shut_down_ = true;
    dropped.swap(urgent_);
    for (auto& task : queue_) dropped.push_back(std::move(task));
    queue_.clear();
  }
  wake_.notify_all();
  // Outside the lock: Drop may call back into the pool's owner.
  for (auto& task : dropped) task->Drop();
}

void ThreadPool::Join() {
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

ThreadPool::Stats ThreadPool::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {threads_.size(), busy_.load(std::memory_order_relaxed), queue_.size() + urgent_.size()};
}

void ThreadPool::Loop() {
  for (;;) {
    std::unique_ptr<Task> task;
    bool wake = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (!shut_down_ && urgent_.empty() && queue_.empty()) {
        ++idle_;
        wake_.wait(lock);
        --idle_;
        // Whoever comes answers for the wake-up, even when it was meant for another one.
        waking_ = false;
      }
      if (shut_down_) return;
      auto& from = urgent_.empty() ? queue_ : urgent_;
      task = std::move(from.front());
      from.pop_front();
      busy_.fetch_add(1, std::memory_order_relaxed);
      // Before the task, which may never return.
      if (!urgent_.empty() || !queue_.empty()) wake = MustWake();
    }
    if (wake) wake_.notify_one();
    task->Run();
    task.reset();
    busy_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace gfserve
