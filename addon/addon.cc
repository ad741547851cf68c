// The addon's exports and the state of one JavaScript environment.
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
#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "completion_queue.h"
#include "jobs.h"
#include "path_walk.h"
#include "volume.h"

namespace gfserve {

namespace {

// A completion crosses as a row of doubles in memory that JavaScript sees as a Float64Array, and
// its gfid beside it: no object is made a job. src/storage/native.ts names the same columns.
constexpr size_t kRows = 256;
constexpr size_t kColumns = 19;
// Notices cross as they are, so many at a time.
constexpr size_t kNoticeRows = 1024;

constexpr uint32_t kWantBody = 1;
constexpr uint32_t kWantListing = 2;
constexpr uint32_t kWantTrail = 4;
constexpr uint32_t kIsKnown = 8;

struct Event {
  enum Kind : uint32_t { kConnected = 0, kConnectFailed = 1, kClosed = 2 };
  uint32_t volume;
  Kind kind;
  Status status;
  int err;
  uint32_t ms;
};

std::string Utf8(const Napi::Value& value) {
  assert(value.IsString());
  return value.As<Napi::String>().Utf8Value();
}

// Names on a volume are bytes: they cross as strings with one char a byte.
std::string Latin1(napi_env env, napi_value value) {
  size_t length = 0;
  napi_status status = napi_get_value_string_latin1(env, value, nullptr, 0, &length);
  assert(status == napi_ok);
  std::string bytes(length, '\0');
  status = napi_get_value_string_latin1(env, value, bytes.data(), length + 1, &length);
  assert(status == napi_ok);
  (void)status;
  return bytes;
}

uint32_t Uint32(const Napi::Value& value) {
  assert(value.IsNumber());
  return value.As<Napi::Number>().Uint32Value();
}

// 32 lower-case digits.
Gfid ParseGfid(const std::string& digits) {
  Gfid gfid{};
  assert(digits.size() == gfid.size() * 2);
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i < gfid.size(); ++i) {
    gfid[i] = static_cast<uint8_t>(nibble(digits[i * 2]) << 4 | nibble(digits[i * 2 + 1]));
  }
  return gfid;
}

std::vector<std::string> SplitAtNul(const std::string& joined) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = joined.find('\0', begin);
    parts.push_back(joined.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

VolumeSpec ParseSpec(const Napi::Object& object) {
  VolumeSpec spec;
  spec.volname = Utf8(object.Get("volname"));
  spec.volfile = Utf8(object.Get("volfile"));
  spec.log_file = Utf8(object.Get("logFile"));
  spec.log_level = object.Get("logLevel").As<Napi::Number>().Int32Value();
  spec.threads = Uint32(object.Get("threads"));
  spec.max_queue = Uint32(object.Get("maxQueue"));
  spec.handle_capacity = Uint32(object.Get("handleCapacity"));
  const auto servers = object.Get("servers").As<Napi::Array>();
  for (uint32_t i = 0; i < servers.Length(); ++i) {
    const auto server = servers.Get(i).As<Napi::Object>();
    spec.servers.push_back({Utf8(server.Get("transport")), Utf8(server.Get("host")),
                            server.Get("port").As<Napi::Number>().Int32Value()});
  }
  const auto options = object.Get("options").As<Napi::Array>();
  for (uint32_t i = 0; i < options.Length(); ++i) {
    const auto option = options.Get(i).As<Napi::Object>();
    spec.options.push_back(
        {Utf8(option.Get("xlator")), Utf8(option.Get("key")), Utf8(option.Get("value"))});
  }
  return spec;
}

}  // namespace

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
  Status Submit(Volume& volume, std::unique_ptr<Task> task, bool urgent);
  void Drain(Napi::Env env);
  // The version of a file that JavaScript has described beside this gfid.
  OpenJob::Known Known(const Gfid& gfid) const;

  const std::shared_ptr<Shared>& shared() const { return shared_; }

 private:
  void End();
  void WriteRow(size_t row, const Completion& completion);
  void WriteTrail(size_t row, const Completion& completion);
  void DeliverNotices(Napi::Env env);
  void Deliver(Napi::Env env, Napi::FunctionReference& callback, std::initializer_list<napi_value> args);
  void KeepAlive(Napi::Env env);

  static constexpr size_t kKnownNumbers = 6;

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

Environment::Environment(Napi::Env env, Napi::Function on_completions, Napi::Function on_event,
                         Napi::Function on_notices)
    : env_(env),
      on_completions_(Napi::Persistent(on_completions)),
      on_event_(Napi::Persistent(on_event)),
      on_notices_(Napi::Persistent(on_notices)) {
  napi_value name = Napi::String::New(env, "gfserve");
  napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
      [](napi_env raw, napi_value, void* context, void*) {
        if (raw) static_cast<Environment*>(context)->Drain(Napi::Env(raw));
      },
      &tsfn_);
  assert(status == napi_ok);
  (void)status;
  const auto wake = [tsfn = tsfn_] { napi_call_threadsafe_function(tsfn, nullptr, napi_tsfn_nonblocking); };
  shared_ = std::make_shared<Shared>(wake);
  events_ = std::make_shared<CompletionQueue<Event>>(wake);
  // Hooks run last one first: this one before that of the thread-safe function.
  status = napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->End(); }, this);
  assert(status == napi_ok);
  KeepAlive(env);
}

// Runs when the environment is torn down; no JavaScript runs after it.
void Environment::End() {
  for (const Completion& left : shared_->completions.Detach()) {
    if (left.block) shared_->blocks->Release(left.block);
  }
  shared_->notices->Detach();
  events_->Detach();
  for (auto& [id, volume] : volumes_) volume->Close([] {});
  volumes_.clear();
  napi_release_threadsafe_function(tsfn_, napi_tsfn_abort);
}

// An open volume keeps the process alive, as an open socket would; nothing else does.
void Environment::KeepAlive(Napi::Env env) {
  if (volumes_.empty() && closing_ == 0) {
    napi_unref_threadsafe_function(env, tsfn_);
  } else {
    napi_ref_threadsafe_function(env, tsfn_);
  }
}

Napi::Value Environment::Memory(Napi::Env env) {
  auto object = Napi::Object::New(env);
  const auto rows = Napi::ArrayBuffer::New(env, rows_.get(), kRows * kColumns * sizeof(double));
  const auto gfids = Napi::ArrayBuffer::New(env, gfids_.get(), kRows * 16);
  // Written by this thread only, read by pool threads as relaxed atomics of the same size.
  static_assert(sizeof(std::atomic<uint8_t>) == 1);
  const auto cancelled = Napi::ArrayBuffer::New(env, shared_->cancelled.get(), Shared::kMaxJobs);
  object.Set("rows", Napi::Float64Array::New(env, kRows * kColumns, rows, 0));
  object.Set("gfids", Napi::Uint8Array::New(env, kRows * 16, gfids, 0));
  object.Set("cancelled", Napi::Uint8Array::New(env, Shared::kMaxJobs, cancelled, 0));
  constexpr size_t kTrailBytes = kRows * Trail::kMost * 16;
  const auto trails = Napi::ArrayBuffer::New(env, trails_.get(), kTrailBytes);
  object.Set("trails", Napi::Uint8Array::New(env, kTrailBytes, trails, 0));
  constexpr size_t kNoticeBytes = kNoticeRows * sizeof(Notice);
  const auto notices = Napi::ArrayBuffer::New(env, notice_rows_.get(), kNoticeBytes);
  object.Set("notices", Napi::Uint8Array::New(env, kNoticeBytes, notices, 0));
  const auto known = Napi::ArrayBuffer::New(env, known_.get(), kKnownNumbers * sizeof(double));
  object.Set("known", Napi::Float64Array::New(env, kKnownNumbers, known, 0));
  return object;
}

uint32_t Environment::Connect(VolumeSpec spec) {
  const uint32_t id = next_volume_++;
  auto volume = Volume::Create(std::move(spec), shared_->blocks, shared_->notices, id);
  volumes_.emplace(id, volume);
  KeepAlive(env_);
  volume->Connect([id, events = events_](const ConnectResult& result) {
    const bool ok = result.status == Status::kOk;
    Event event{id, ok ? Event::kConnected : Event::kConnectFailed, result.status, result.err, result.ms};
    events->Push(event);
  });
  return id;
}

uint32_t Environment::AddRoot(Root root) {
  roots_.push_back(std::make_shared<const Root>(std::move(root)));
  return static_cast<uint32_t>(roots_.size() - 1);
}

Volume* Environment::FindVolume(uint32_t id) {
  const auto found = volumes_.find(id);
  return found == volumes_.end() ? nullptr : found->second.get();
}

void Environment::Close(uint32_t id) {
  const auto found = volumes_.find(id);
  if (found == volumes_.end()) return;
  std::shared_ptr<Volume> volume = std::move(found->second);
  volumes_.erase(found);
  ++closing_;
  volume->Close([id, events = events_] {
    Event event{id, Event::kClosed, Status::kOk, 0, 0};
    events->Push(event);
  });
}

Status Environment::Submit(Volume& volume, std::unique_ptr<Task> task, bool urgent) {
  return volume.Submit(task, urgent);
}

void Environment::WriteRow(size_t row, const Completion& c) {
  double* out = rows_.get() + row * kColumns;
  out[0] = c.token;
  out[1] = static_cast<double>(c.status);
  out[2] = c.err;
  out[3] = c.candidate;
  out[4] = static_cast<double>(c.type);
  out[5] = c.st.st_mode;
  out[6] = static_cast<double>(c.st.st_size);
  out[7] = static_cast<double>(c.st.st_mtim.tv_sec);
  out[8] = static_cast<double>(c.st.st_mtim.tv_nsec);
  out[9] = static_cast<double>(c.st.st_ctim.tv_sec);
  out[10] = static_cast<double>(c.st.st_ctim.tv_nsec);
  out[11] = c.file_id;
  out[12] = c.block ? static_cast<double>(c.block->id) : -1;
  out[13] = c.length;
  out[14] = c.waited_us;
  out[15] = c.ran_us;
  out[16] = c.unchanged ? 1 : 0;
  out[18] = c.age_ms;
  std::copy(c.gfid.begin(), c.gfid.end(), gfids_.get() + row * 16);
  WriteTrail(row, c);
}

// The column is -1 where there is none, or too much of it.
void Environment::WriteTrail(size_t row, const Completion& c) {
  const bool counts = c.trail && !c.trail->too_many();
  rows_[row * kColumns + 17] = counts ? static_cast<double>(c.trail->size()) : -1;
  if (!counts) return;
  uint8_t* out = trails_.get() + row * Trail::kMost * 16;
  for (const Gfid& gfid : *c.trail) out = std::copy(gfid.begin(), gfid.end(), out);
}

OpenJob::Known Environment::Known(const Gfid& gfid) const {
  const double* in = known_.get();
  const auto time = [](double seconds, double nanoseconds) {
    return timespec{static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  };
  return {static_cast<uint32_t>(in[0]), gfid, static_cast<off_t>(in[1]), time(in[2], in[3]),
          time(in[4], in[5])};
}

// A callback that throws is a bug: it is reported as uncaught, and the rest is delivered all the same.
// Not through Napi::Function, which aborts when the call fails because a worker is being terminated.
void Environment::Deliver(Napi::Env env, Napi::FunctionReference& callback,
                          std::initializer_list<napi_value> args) {
  napi_call_function(env, env.Undefined(), callback.Value(), args.size(), args.begin(), nullptr);
  bool thrown = false;
  napi_is_exception_pending(env, &thrown);
  if (!thrown) return;
  napi_value error;
  napi_get_and_clear_last_exception(env, &error);
  napi_fatal_exception(env, error);
}

void Environment::DeliverNotices(Napi::Env env) {
  notices_.clear();
  shared_->notices->Take(notices_);
  for (size_t begin = 0; begin < notices_.size(); begin += kNoticeRows) {
    const size_t count = std::min(kNoticeRows, notices_.size() - begin);
    std::copy_n(notices_.begin() + static_cast<ptrdiff_t>(begin), count, notice_rows_.get());
    Deliver(env, on_notices_, {Napi::Number::New(env, static_cast<double>(count))});
  }
}

void Environment::Drain(Napi::Env env) {
  Napi::HandleScope scope(env);
  batch_.clear();
  shared_->completions.Take(batch_);
  // Taken after the completions and delivered before them: what was said before a job ended is heard
  // before its result is.
  DeliverNotices(env);
  for (size_t begin = 0; begin < batch_.size(); begin += kRows) {
    const size_t count = std::min(kRows, batch_.size() - begin);
    for (size_t i = 0; i < count; ++i) WriteRow(i, batch_[begin + i]);
    Deliver(env, on_completions_, {Napi::Number::New(env, static_cast<double>(count))});
  }
  std::vector<Event> events;
  events_->Take(events);
  for (const Event& event : events) {
    if (event.kind == Event::kClosed) {
      --closing_;
      KeepAlive(env);
    }
    Deliver(env, on_event_,
            {Napi::Number::New(env, event.volume), Napi::Number::New(env, event.kind),
             Napi::Number::New(env, static_cast<double>(event.status)),
             Napi::Number::New(env, event.err), Napi::Number::New(env, event.ms)});
  }
}

namespace {

Environment& Self(const Napi::CallbackInfo& info) {
  auto* environment = info.Env().GetInstanceData<Environment>();
  assert(environment);
  return *environment;
}

Napi::Value ToStatus(Napi::Env env, Status status) {
  return Napi::Number::New(env, static_cast<double>(status));
}

uint32_t Token(const Napi::CallbackInfo& info) {
  const uint32_t token = Uint32(info[1]);
  assert(token < Shared::kMaxJobs);
  return token;
}

// start(onCompletions(count), onEvent(volume, kind, status, errno, ms), onNotices(count))
//   → { rows, gfids, trails, cancelled, notices, known }
Napi::Value Start(const Napi::CallbackInfo& info) {
  assert(!info.Env().GetInstanceData<Environment>());
  auto* environment = new Environment(info.Env(), info[0].As<Napi::Function>(),
                                      info[1].As<Napi::Function>(), info[2].As<Napi::Function>());
  info.Env().SetInstanceData(environment);  // owns it, and deletes it at clean-up
  return environment->Memory(info.Env());
}

// connect(spec) → volume
Napi::Value Connect(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Self(info).Connect(ParseSpec(info[0].As<Napi::Object>())));
}

// addRoot(path as latin1, policy) → root
Napi::Value AddRoot(const Napi::CallbackInfo& info) {
  const std::string path = Latin1(info.Env(), info[0]);
  Root root{{}, static_cast<SymlinkPolicy>(Uint32(info[1]))};
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) root.components.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return Napi::Number::New(info.Env(), Self(info).AddRoot(std::move(root)));
}

// open(volume, token, root, candidates as latin1 joined by NUL, inlineLimit, firstChunk, firstOffset, flags,
//   gfid where kIsKnown, trust in ms) → status
Napi::Value Open(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  const uint32_t flags = Uint32(info[7]);
  OpenJob::Request request{self.FindRoot(Uint32(info[2])),
                           SplitAtNul(Latin1(info.Env(), info[3])),
                           Uint32(info[4]),
                           Uint32(info[5]),
                           static_cast<uint64_t>(info[6].As<Napi::Number>().Int64Value()),
                           (flags & kWantBody) != 0,
                           (flags & kWantListing) != 0,
                           (flags & kWantTrail) != 0};
  request.trust = std::chrono::milliseconds(Uint32(info[9]));
  if ((flags & kIsKnown) != 0) request.known = self.Known(ParseGfid(Latin1(info.Env(), info[8])));
  assert(request.inline_limit <= BlockPool::kLargest && request.first_chunk <= BlockPool::kLargest);
  auto job = std::make_unique<OpenJob>(self.shared(), *volume, Token(info), std::move(request));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), false));
}

// read(volume, token, file, offset, length) → status
Napi::Value Read(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  const uint32_t length = Uint32(info[4]);
  assert(length > 0 && length <= BlockPool::kLargest);
  auto job = std::make_unique<ReadJob>(self.shared(), *volume, Token(info), Uint32(info[2]),
                                       static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value()),
                                       length);
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), false));
}

// list(volume, token, file) → status
Napi::Value List(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<ListJob>(self.shared(), *volume, Token(info), Uint32(info[2]));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), false));
}

// probe(volume, token) → status; past the queue's bound, as the next one
Napi::Value Probe(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<ProbeJob>(self.shared(), *volume, Token(info));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), true));
}

// watch(volume, token) → status
Napi::Value Watch(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<WatchJob>(self.shared(), *volume, Token(info));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), true));
}

// distrust(volume): what bricks said may have been lost, so nothing is taken as it was seen before.
void Distrust(const Napi::CallbackInfo& info) {
  Volume* volume = Self(info).FindVolume(Uint32(info[0]));
  if (volume) volume->last_changes().AddAll();
}

// setSpare(volume, threads): see ThreadPool
void SetSpare(const Napi::CallbackInfo& info) {
  Volume* volume = Self(info).FindVolume(Uint32(info[0]));
  if (volume) volume->SetSpare(Uint32(info[1]));
}

// release(volume, file): never refused; a closed volume has closed the file already.
void Release(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return;
  self.Submit(*volume, std::make_unique<ReleaseTask>(*volume, Uint32(info[1])), true);
}

// block(id) → ArrayBuffer over the block's memory. Once for each id, until trim() names it.
Napi::Value GetBlock(const Napi::CallbackInfo& info) {
  Block* block = Self(info).shared()->blocks->Find(Uint32(info[0]));
  assert(block);
  return Napi::ArrayBuffer::New(info.Env(), block->data, block->capacity);
}

// recycle(id): the block's content may be overwritten from now on.
void Recycle(const Napi::CallbackInfo& info) {
  BlockPool& blocks = *Self(info).shared()->blocks;
  Block* block = blocks.Find(Uint32(info[0]));
  assert(block);
  blocks.Release(block);
}

// trim(buffers: (ArrayBuffer | undefined)[] by block id): detaches and frees idle blocks → their ids.
Napi::Value Trim(const Napi::CallbackInfo& info) {
  BlockPool& blocks = *Self(info).shared()->blocks;
  const auto buffers = info[0].As<Napi::Array>();
  const std::vector<Block*> trimmed = blocks.TrimIdle();
  auto ids = Napi::Array::New(info.Env(), trimmed.size());
  for (uint32_t i = 0; i < trimmed.size(); ++i) {
    const uint32_t id = trimmed[i]->id;
    const Napi::Value buffer = buffers.Get(id);
    if (buffer.IsArrayBuffer()) buffer.As<Napi::ArrayBuffer>().Detach();
    ids.Set(i, Napi::Number::New(info.Env(), id));
  }
  blocks.Free(trimmed);
  return ids;
}

// close(volume): its closed event comes when all is ended.
void Close(const Napi::CallbackInfo& info) { Self(info).Close(Uint32(info[0])); }

// stats(volume, stuckAfterMs) → { threads, busy, queued, stuck, handles, openFiles }, or null when there
// is no such volume
Napi::Value GetStats(const Napi::CallbackInfo& info) {
  Volume* volume = Self(info).FindVolume(Uint32(info[0]));
  if (!volume) return info.Env().Null();
  const Volume::Stats stats = volume->stats(std::chrono::milliseconds(Uint32(info[1])));
  auto object = Napi::Object::New(info.Env());
  object.Set("threads", static_cast<double>(stats.pool.threads));
  object.Set("busy", static_cast<double>(stats.pool.busy));
  object.Set("queued", static_cast<double>(stats.pool.queued));
  object.Set("stuck", static_cast<double>(stats.pool.stuck));
  object.Set("handles", static_cast<double>(stats.handles));
  object.Set("openFiles", static_cast<double>(stats.open_files));
  return object;
}

// memory() → { blocks, blocksInUse, blockBytes }
Napi::Value GetMemory(const Napi::CallbackInfo& info) {
  const BlockPool::Stats stats = Self(info).shared()->blocks->stats();
  auto object = Napi::Object::New(info.Env());
  object.Set("blocks", static_cast<double>(stats.blocks));
  object.Set("blocksInUse", static_cast<double>(stats.in_use));
  object.Set("blockBytes", static_cast<double>(stats.bytes));
  return object;
}

// exitNow(status): leaves without running exit handlers, which would race with gfapi's threads.
void ExitNow(const Napi::CallbackInfo& info) { _exit(static_cast<int>(Uint32(info[0]))); }

Napi::Object InitModule(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New<Start>(env));
  exports.Set("connect", Napi::Function::New<Connect>(env));
  exports.Set("addRoot", Napi::Function::New<AddRoot>(env));
  exports.Set("open", Napi::Function::New<Open>(env));
  exports.Set("read", Napi::Function::New<Read>(env));
  exports.Set("list", Napi::Function::New<List>(env));
  exports.Set("probe", Napi::Function::New<Probe>(env));
  exports.Set("watch", Napi::Function::New<Watch>(env));
  exports.Set("distrust", Napi::Function::New<Distrust>(env));
  exports.Set("setSpare", Napi::Function::New<SetSpare>(env));
  exports.Set("release", Napi::Function::New<Release>(env));
  exports.Set("block", Napi::Function::New<GetBlock>(env));
  exports.Set("recycle", Napi::Function::New<Recycle>(env));
  exports.Set("trim", Napi::Function::New<Trim>(env));
  exports.Set("close", Napi::Function::New<Close>(env));
  exports.Set("stats", Napi::Function::New<GetStats>(env));
  exports.Set("memory", Napi::Function::New<GetMemory>(env));
  exports.Set("exitNow", Napi::Function::New<ExitNow>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(gfserve, InitModule)

}  // namespace gfserve
