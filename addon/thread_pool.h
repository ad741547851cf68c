// A bounded queue in front of long-lived threads. It knows neither Node nor gfapi.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace gfserve {

// One unit of work. Exactly one of Run and Drop is called, once, and then the task is destroyed
// by the thread that called it.
class Task {
 public:
  virtual ~Task() = default;
  // Called on a pool thread. May block for ever.
  virtual void Run() = 0;
  // Called instead of Run when the pool shuts down first, on the thread that calls Shutdown.
  virtual void Drop() = 0;
};

// Thread-safe: every method may be called from any thread, save the destructor.
class ThreadPool {
 public:
  struct Stats {
    size_t threads;
    size_t busy;    // threads inside Run
    size_t queued;  // tasks not yet taken
    size_t stuck;   // threads inside one Run for longer than was asked
  };

  // `max_queued` bounds the tasks that wait for a thread; running ones do not count.
  ThreadPool(size_t threads, size_t max_queued);
  // Shutdown() and Join() must have been called: a thread that never comes back would otherwise
  // block whoever destroys the pool.
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  enum class Accepted { kYes, kFull, kShutDown };
  // Takes the task only on kYes; otherwise it stays with the caller.
  Accepted Submit(std::unique_ptr<Task>& task);
  // Like Submit, but past the bound and ahead of what waits: for work that gives resources back.
  // On kShutDown the task stays with the caller.
  Accepted SubmitUrgent(std::unique_ptr<Task>& task);

  // No task is accepted or started after this; those that wait are dropped, on this thread.
  void Shutdown();
  // Blocks until every thread has left. A thread inside Run leaves when Run returns.
  void Join();

  // Makes up for threads that don't come back: up to `spare` more than at the start. When it is
  // lowered, threads that have nothing to do leave. One thread at a time.
  void SetSpare(size_t spare);

  Stats stats(std::chrono::milliseconds stuck_after = std::chrono::milliseconds::max()) const;

 private:
  struct Worker {
    std::thread thread;
    std::atomic<int64_t> busy_since_ms{0};  // of the steady clock; 0: not inside Run
    bool left = false;                      // guarded by mutex_; the thread is about to end
  };

  void Loop(Worker& self);
  // Under mutex_.
  void AddWorker();
  // Under mutex_: whether the caller must call wake_.notify_one() once it has let go of it.
  bool MustWake();

  const size_t base_;
  const size_t max_queued_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;               // guarded by mutex_, as all below
  std::deque<std::unique_ptr<Task>> urgent_;
  std::deque<std::unique_ptr<Task>> queue_;
  bool shut_down_ = false;
  size_t idle_ = 0;      // threads in wait
  // One thread has been notified and has not come yet. It passes the wake-up on if there is more to
  // do, so that a burst of tasks costs its submitter one system call, not one a task.
  bool waking_ = false;
  size_t wanted_;        // threads
  size_t alive_ = 0;     // threads that have not left
  std::list<Worker> workers_;
};

}  // namespace gfserve
