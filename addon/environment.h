// The state of one JavaScript environment.
//
// Threads: everything here runs on the environment's loop thread, save the wake function, which any
// thread may call. Other threads reach JavaScript only through Shared::completions, Shared::notices and
// events_.
//
// Ends: on environment clean-up the queues are detached, so that threads which come back later find
// nobody and give back what they hold; volumes end in the background or are leaked with their stuck
// threads. Shared is kept by whoever needs it last. All this is done in a clean-up hook that runs
// before Node ends the thread-safe function: the instance data's finalizer runs amid that, where
// newer versions of Node hold the function's lock.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "completion_queue.h"
#include "jobs.h"
#include "notice_queue.h"
#include "path_walk.h"
#include "trail.h"
#include "volume.h"

namespace gfserve {

// What becomes of a volume.
struct Event {
  enum Kind : uint32_t { kConnected = 0, kConnectFailed = 1, kClosed = 2 };
  uint32_t volume;
  Kind kind;
  Status status;
  int err;
  uint32_t ms;
};

class Environment {
 public:
  Environment(Napi::Env env, Napi::Function on_completions, Napi::Function on_event,
              Napi::Function on_notices);

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  Napi::Value Memory(Napi::Env env);
  uint32_t Connect(VolumeSpec spec);
  uint32_t AddRoot(Root root);
  Volume* FindVolume(uint32_t id);
  std::shared_ptr<const Root> FindRoot(uint32_t id) { return roots_.at(id); }
  void Close(uint32_t id);
  Status Submit(Volume& volume, std::unique_ptr<Task> task, Volume::Lane lane);
  void Drain(Napi::Env env);
  // The version of a file that JavaScript has described beside this gfid.
  OpenJob::Known Known(const Gfid& gfid) const;

  const std::shared_ptr<Shared>& shared() const { return shared_; }

 private:
  // A completion crosses as a row of doubles in memory that JavaScript sees as a Float64Array, and
  // its gfid beside it: no object is made a job. src/storage/native.ts names the same columns.
  static constexpr size_t kRows = 256;
  static constexpr size_t kColumns = 19;
  // Notices cross as they are, so many at a time.
  static constexpr size_t kNoticeRows = 1024;
  static constexpr size_t kKnownNumbers = 6;

  void End();
  void WriteRow(size_t row, const Completion& completion);
  void WriteTrail(size_t row, const Completion& completion);
  void DeliverNotices(Napi::Env env);
  void Deliver(Napi::Env env, Napi::FunctionReference& callback, std::initializer_list<napi_value> args);
  void KeepAlive(Napi::Env env);

  Napi::Env env_;
  napi_threadsafe_function tsfn_ = nullptr;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<CompletionQueue<Event>> events_;
  Napi::FunctionReference on_completions_;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_notices_;
  std::unique_ptr<double[]> rows_{new double[kRows * kColumns]()};
  std::unique_ptr<uint8_t[]> gfids_{new uint8_t[kRows * 16]()};
  std::unique_ptr<uint8_t[]> trails_{new uint8_t[kRows * Trail::kMost * 16]()};
  std::unique_ptr<Notice[]> notice_rows_{new Notice[kNoticeRows]()};
  // Written by JavaScript before a call of open(): candidate, size, mtime, ctime.
  std::unique_ptr<double[]> known_{new double[kKnownNumbers]()};
  std::vector<Completion> batch_;
  std::vector<Notice> notices_;
  std::unordered_map<uint32_t, std::shared_ptr<Volume>> volumes_;
  size_t closing_ = 0;  // volumes whose closed event has not come yet
  uint32_t next_volume_ = 1;
  std::vector<std::shared_ptr<const Root>> roots_;
};

}  // namespace gfserve
