#include "environment.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace gfserve {

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

Status Environment::Submit(Volume& volume, std::unique_ptr<Task> task, Volume::Lane lane) {
  return volume.Submit(task, lane);
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

}  // namespace gfserve
