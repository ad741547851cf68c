// The addon's exports: what JavaScript passes in, as the C++ side wants it. All of it runs on the loop thread.
#include <malloc.h>
#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "environment.h"
#include "jobs.h"
#include "path_walk.h"
#include "sockets.h"
#include "volume.h"

namespace gfserve {

namespace {

constexpr uint32_t kWantBody = 1;
constexpr uint32_t kWantListing = 2;
constexpr uint32_t kWantTrail = 4;
constexpr uint32_t kIsKnown = 8;

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
  spec.volfile_text = Latin1(object.Env(), object.Get("volfileText"));
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
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kQueue));
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
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kQueue));
}

// list(volume, token, file) → status
Napi::Value List(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<ListJob>(self.shared(), *volume, Token(info), Uint32(info[2]));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kQueue));
}

// probe(volume, token) → status; past the queue's bound, as the next one
Napi::Value Probe(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<ProbeJob>(self.shared(), *volume, Token(info));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kUrgent));
}

// renewLayout(volume, token) → status; on a thread of its own, which may hang
Napi::Value RenewLayout(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<LayoutJob>(self.shared(), *volume, Token(info));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kAside));
}

// watch(volume, token) → status
Napi::Value Watch(const Napi::CallbackInfo& info) {
  Environment& self = Self(info);
  Volume* volume = self.FindVolume(Uint32(info[0]));
  if (!volume) return ToStatus(info.Env(), Status::kClosed);
  auto job = std::make_unique<WatchJob>(self.shared(), *volume, Token(info));
  return ToStatus(info.Env(), self.Submit(*volume, std::move(job), Volume::Lane::kUrgent));
}

// distrust(volume): what bricks said may have been lost, so nothing is taken as it was seen before.
void Distrust(const Napi::CallbackInfo& info) {
  Volume* volume = Self(info).FindVolume(Uint32(info[0]));
  if (!volume) return;
  volume->last_changes().AddAll();
  volume->last_words().AddAll();
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
  self.Submit(*volume, std::make_unique<ReleaseTask>(*volume, Uint32(info[1])), Volume::Lane::kUrgent);
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

// listeningSockets() → descriptors
Napi::Value GetListeningSockets(const Napi::CallbackInfo& info) {
  const std::vector<int> found = ListeningSockets();
  auto list = Napi::Array::New(info.Env(), found.size());
  for (uint32_t i = 0; i < found.size(); ++i) list.Set(i, Napi::Number::New(info.Env(), found[i]));
  return list;
}

// duplicateSocket(fd) → another descriptor of the socket, or -1
Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), DuplicateSocket(static_cast<int>(Uint32(info[0]))));
}

// replaceSocket(fd, with) → whether fd now is with's socket
Napi::Value Replace(const Napi::CallbackInfo& info) {
  const int fd = static_cast<int>(Uint32(info[0]));
  return Napi::Boolean::New(info.Env(), ReplaceSocket(fd, static_cast<int>(Uint32(info[1]))));
}

// exitNow(status): leaves without running exit handlers, which would race with gfapi's threads.
void ExitNow(const Napi::CallbackInfo& info) { _exit(static_cast<int>(Uint32(info[0]))); }

// trimHeaps(): gives memory that was freed back to the kernel, on a thread of libuv's. Of itself glibc does so only with what lies at
// a heap's end. One at a time: where that thread hangs in somebody's file system, no queue of them grows.
class HeapTrimmer : public Napi::AsyncWorker {
 public:
  explicit HeapTrimmer(Napi::Env env) : AsyncWorker(env, "gfserve:trimHeaps") {}

  static std::atomic<bool> under_way;

 protected:
  void Execute() override {
    malloc_trim(0);
    under_way = false;
  }
};

std::atomic<bool> HeapTrimmer::under_way{false};

// It deletes itself when it is done.
void TrimHeaps(const Napi::CallbackInfo& info) {
  if (!HeapTrimmer::under_way.exchange(true)) (new HeapTrimmer(info.Env()))->Queue();
}

// glibc gives each thread a heap of its own, eight for each processor, and libgfapi has some twenty threads for a volume that pass
// memory to one another: what is freed lies in all of them.
constexpr int kHeaps = 4;
// Larger pieces are mapped one by one and go back when they are freed. Of itself glibc maps none any more that is not larger than what
// was freed before, up to 32 MiB: the cache's regions and what libgfapi reads then lie among small things, and leave holes. Of a worker
// under load that replaced its cache for ten minutes, 16 MiB of 140 had been lost so.
constexpr int kMappedBytes = 256 * 1024;
// Set with it, or the heap's end goes back and comes again with each request.
constexpr int kSpareBytes = 4 * 1024 * 1024;

// Whoever knows better says so to glibc.
bool IsTold(const char* variable) {
  const char* tunables = std::getenv("GLIBC_TUNABLES");
  return std::getenv(variable) || (tunables && std::strstr(tunables, "glibc.malloc."));
}

void BoundHeaps() {
  if (!IsTold("MALLOC_ARENA_MAX")) mallopt(M_ARENA_MAX, kHeaps);
  if (IsTold("MALLOC_MMAP_THRESHOLD_")) return;
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  if (!IsTold("MALLOC_TRIM_THRESHOLD_")) mallopt(M_TRIM_THRESHOLD, kSpareBytes);
}

Napi::Object InitModule(Napi::Env env, Napi::Object exports) {
  BoundHeaps();
  exports.Set("start", Napi::Function::New<Start>(env));
  exports.Set("connect", Napi::Function::New<Connect>(env));
  exports.Set("addRoot", Napi::Function::New<AddRoot>(env));
  exports.Set("open", Napi::Function::New<Open>(env));
  exports.Set("read", Napi::Function::New<Read>(env));
  exports.Set("list", Napi::Function::New<List>(env));
  exports.Set("probe", Napi::Function::New<Probe>(env));
  exports.Set("renewLayout", Napi::Function::New<RenewLayout>(env));
  exports.Set("watch", Napi::Function::New<Watch>(env));
  exports.Set("distrust", Napi::Function::New<Distrust>(env));
  exports.Set("setSpare", Napi::Function::New<SetSpare>(env));
  exports.Set("release", Napi::Function::New<Release>(env));
  exports.Set("block", Napi::Function::New<GetBlock>(env));
  exports.Set("recycle", Napi::Function::New<Recycle>(env));
  exports.Set("trim", Napi::Function::New<Trim>(env));
  exports.Set("trimHeaps", Napi::Function::New<TrimHeaps>(env));
  exports.Set("close", Napi::Function::New<Close>(env));
  exports.Set("stats", Napi::Function::New<GetStats>(env));
  exports.Set("memory", Napi::Function::New<GetMemory>(env));
  exports.Set("listeningSockets", Napi::Function::New<GetListeningSockets>(env));
  exports.Set("duplicateSocket", Napi::Function::New<Duplicate>(env));
  exports.Set("replaceSocket", Napi::Function::New<Replace>(env));
  exports.Set("exitNow", Napi::Function::New<ExitNow>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(gfserve, InitModule)

}  // namespace gfserve
