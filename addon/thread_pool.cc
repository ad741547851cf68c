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

ThreadPool::Accepted ThreadPool::Submit(std::unique_ptr<Task>& task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return Accepted::kShutDown;
    if (queue_.size() >= max_queued_) return Accepted::kFull;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return Accepted::kYes;
}

ThreadPool::Accepted ThreadPool::SubmitUrgent(std::unique_ptr<Task>& task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return Accepted::kShutDown;
    urgent_.push_back(std::move(task));
  }
  wake_.notify_one();
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
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return shut_down_ || !urgent_.empty() || !queue_.empty(); });
      if (shut_down_) return;
      auto& from = urgent_.empty() ? queue_ : urgent_;
      task = std::move(from.front());
      from.pop_front();
      busy_.fetch_add(1, std::memory_order_relaxed);
    }
    task->Run();
    task.reset();
    busy_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace gfserve
