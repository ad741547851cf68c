#include "thread_pool.h"

#include <pthread.h>

#include <cassert>
#include <iterator>
#include <utility>

namespace gfserve {

namespace {

int64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

ThreadPool::ThreadPool(size_t threads, size_t max_queued)
    : base_(threads), max_queued_(max_queued), wanted_(threads) {
  std::lock_guard<std::mutex> lock(mutex_);
  while (alive_ < wanted_) AddWorker();
}

ThreadPool::~ThreadPool() { assert(workers_.empty()); }

void ThreadPool::AddWorker() {
  Worker& worker = workers_.emplace_back();
  worker.thread = std::thread([this, &worker] { Loop(worker); });
  pthread_setname_np(worker.thread.native_handle(), "gfs-io");
  ++alive_;
}

void ThreadPool::SetSpare(size_t spare) {
  std::list<Worker> left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return;
    wanted_ = base_ + spare;
    while (alive_ < wanted_) AddWorker();
    for (auto worker = workers_.begin(); worker != workers_.end();) {
      const auto next = std::next(worker);
      if (worker->left) left.splice(left.end(), workers_, worker);
      worker = next;
    }
  }
  for (Worker& worker : left) worker.thread.join();
  wake_.notify_all();
}

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
  for (Worker& worker : workers_) worker.thread.join();
  workers_.clear();
  std::lock_guard<std::mutex> lock(mutex_);
  alive_ = 0;
}

ThreadPool::Stats ThreadPool::stats(std::chrono::milliseconds stuck_after) const {
  std::lock_guard<std::mutex> lock(mutex_);
  Stats stats{alive_, 0, queue_.size() + urgent_.size(), 0};
  const int64_t now = NowMs();
  for (const Worker& worker : workers_) {
    const int64_t since = worker.busy_since_ms.load(std::memory_order_relaxed);
    if (since == 0) continue;
    ++stats.busy;
    if (now - since >= stuck_after.count()) ++stats.stuck;
  }
  return stats;
}

void ThreadPool::Loop(Worker& self) {
  for (;;) {
    std::unique_ptr<Task> task;
    bool wake = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (!shut_down_ && urgent_.empty() && queue_.empty()) {
        if (alive_ > wanted_) {
          --alive_;
          self.left = true;
          return;
        }
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
      self.busy_since_ms.store(NowMs(), std::memory_order_relaxed);
      // Before the task, which may never return.
      if (!urgent_.empty() || !queue_.empty()) wake = MustWake();
    }
    if (wake) wake_.notify_one();
    task->Run();
    task.reset();
    self.busy_since_ms.store(0, std::memory_order_relaxed);
  }
}

}  // namespace gfserve
