#include "volume.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <unordered_map>
#include <utility>

#include "memory_file.h"

namespace gfserve {

namespace {

constexpr int kNoErrno = -1;
constexpr int kMostVolfileLooks = 5;

void StartDetached(const char* name, std::function<void()> body) {
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  thread.detach();
}

// Before the first glfs_new. With glfs_fini libgfapi's poller threads end, and the last thing that each does is to free a
// block (event_dispatch_epoll_worker): glfs_fini does not wait for that. Whether the block has a header of the memory
// accounting it asks an xlator that may be gone by then, and frees the wrong address. Without accounting nothing has one;
// glusterfs itself has --no-mem-accounting for it.
void TurnOffMemoryAccounting() {
  void* library = dlopen("libglusterfs.so.0", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return;
  using Set = int (*)(int);
  const auto set = reinterpret_cast<Set>(dlsym(library, "gf_global_mem_acct_enable_set"));
  if (set) set(0);
  dlclose(library);  // it stays: libgfapi needs it
}

// glfs_fini counts the poller threads that have begun to run, and frees what they run on: one that glfs_init has just
// created, and that the system has not let run yet, would find it gone.
constexpr std::chrono::seconds kThreadsBegin{2};

void End(glfs_t* fs, std::chrono::steady_clock::time_point opened) {
  std::this_thread::sleep_until(opened + kThreadsBegin);
  glfs_fini(fs);
}

// Empty where it can't be read: libgfapi will say why.
std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

Identity Identity::OfProcess() {
  Identity identity{geteuid(), getegid(), {}};
  const int count = getgroups(0, nullptr);
  if (count > 0) {
    identity.groups.resize(static_cast<size_t>(count));
    const int got = getgroups(count, identity.groups.data());
    identity.groups.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  return identity;
}

bool Identity::Allows(const struct stat& st, int want) const {
  if (uid == 0) return true;
  mode_t bits = st.st_mode & 7;
  if (st.st_uid == uid) {
    bits = (st.st_mode >> 6) & 7;
  } else if (st.st_gid == gid ||
             std::find(groups.begin(), groups.end(), st.st_gid) != groups.end()) {
    bits = (st.st_mode >> 3) & 7;
  }
  return (bits & static_cast<mode_t>(want)) == static_cast<mode_t>(want);
}

std::shared_ptr<Volume> Volume::Create(VolumeSpec spec, std::shared_ptr<BlockPool> blocks,
                                       std::shared_ptr<NoticeQueue> notices, uint32_t number) {
  return std::shared_ptr<Volume>(
      new Volume(std::move(spec), std::move(blocks), std::move(notices), number));
}

Volume::Volume(VolumeSpec spec, std::shared_ptr<BlockPool> blocks,
               std::shared_ptr<NoticeQueue> notices, uint32_t number)
    : spec_(std::move(spec)),
      blocks_(std::move(blocks)),
      identity_(Identity::OfProcess()),
      handles_(spec_.handle_capacity),
      listener_(std::make_shared<Listener>(std::move(notices), number)) {}

void Volume::Connect(std::function<void(const ConnectResult&)> done) {
  StartDetached("gfs-connect", [self = shared_from_this(), done = std::move(done)] {
    const ConnectResult result = self->Init();
    bool in_use;
    {
      std::lock_guard<std::mutex> lock(self->state_mutex_);
      if (self->state_ == State::kConnecting) {
        self->state_ = result.status == Status::kOk ? State::kReady : State::kFailed;
      }
      in_use = self->state_ == State::kReady;
    }
    done(result);
    if (in_use) return;
    // Nobody uses a volume that failed or was closed meanwhile: this thread ends it.
    self->Finish();
    std::function<void()> closed;
    {
      std::lock_guard<std::mutex> lock(self->state_mutex_);
      self->ended_ = true;
      closed = std::move(self->closed_);
    }
    if (closed) closed();
  });
}

ConnectResult Volume::Init() {
  const auto start = std::chrono::steady_clock::now();
  layout_ = spec_.volfile_text;
  if (layout_.empty() && !spec_.volfile.empty()) layout_ = TextOf(spec_.volfile);
  without_md_cache_ = !layout_.empty() && TrustsStaleNames(layout_);
  int err = OpenFs(without_md_cache_);
  if (err == 0 && !without_md_cache_ && TrustsStaleNames(Volfile())) {
    // An option can only be set before glfs_init. Ending the first takes seconds: not here.
    StartDetached("gfs-close", [fs = std::exchange(fs_, nullptr), opened = opened_] { End(fs, opened); });
    without_md_cache_ = true;
    err = OpenFs(true);
  }
  if (err == 0) err = OpenRoot();
  if (err == 0) ListenToBricks();
  if (err == 0) pool_ = std::make_unique<ThreadPool>(spec_.threads, spec_.max_queue);
  const auto took = std::chrono::steady_clock::now() - start;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  const bool ok = err == 0;
  // libgfapi may fail without an errno: kNoErrno stands for that, and is not passed on.
  if (err == kNoErrno) err = 0;
  return {ok ? Status::kOk : StatusFromErrno(err), err, static_cast<uint32_t>(ms)};
}

// Any nonzero return is a failure, and errno may be 0 then; it is read before anything else runs.
int Volume::OpenFs(bool without_md_cache) {
  const auto failure = [] {
    const int err = errno;
    return err == 0 ? kNoErrno : err;
  };
  static std::once_flag once;
  std::call_once(once, TurnOffMemoryAccounting);
  errno = 0;
  fs_ = glfs_new(spec_.volname.c_str());
  if (!fs_) return failure();
  if (glfs_set_logging(fs_, spec_.log_file.c_str(), spec_.log_level) != 0) return failure();
  // Of a file libgfapi makes one graph, for good. By a volfile server it would hear of each change and exchange its graph, of
  // which nothing is given back and which races with calls (docs/adr/0011-one-graph-a-connection.md).
  const MemoryFile layout(layout_);
  if (!layout.ok()) return failure();
  const std::string volfile = layout_.empty() ? spec_.volfile : layout.path();
  if (!volfile.empty() && glfs_set_volfile(fs_, volfile.c_str()) != 0) return failure();
  for (const auto& server : spec_.servers) {
    if (glfs_set_volfile_server(fs_, server.transport.c_str(), server.host.c_str(), server.port) != 0) {
      return failure();
    }
  }
  // Of what is set twice libgfapi takes what was set first: so the configuration comes before all of ours, its last line first.
  for (auto option = spec_.options.rbegin(); option != spec_.options.rend(); ++option) {
    if (glfs_set_xlator_option(fs_, option->xlator.c_str(), option->key.c_str(), option->value.c_str()) != 0) {
      return failure();
    }
  }
  // quick-read keeps content by the times that lookups report. Under writes those lag behind the file's
  // own: it then serves, for up to a second, old content of which a stat says that it is the newest.
  if (glfs_set_xlator_option(fs_, "*-quick-read", "max-file-size", "0") != 0) return failure();
  // With lookup-optimize the distribute xlator says that a file is missing when it is not on the brick that its
  // name leads to by the layout that this client knows. While bricks come and go, layouts and files are not
  // always where they belong: files that are there would answer 404. Without, it asks all bricks first.
  if (glfs_set_xlator_option(fs_, "*-dht", "lookup-optimize", "off") != 0) return failure();
  // While the graph is exchanged an open that open-behind puts off may find its inode in the other graph: it then answers
  // ENOMEM and writes to where its variable happens to point (open_count, mended in GlusterFS 11). What it put off and
  // nobody read leaves a frame for ever, for which glfs_fini waits. For us it saves nothing: whoever opens reads.
  if (glfs_set_xlator_option(fs_, "*-open-behind", "pass-through", "on") != 0) return failure();
  // What is worth keeping is in gfserve's own cache, which is bounded and coherent. io-cache would keep up to 32 MiB more for a
  // connection, beside it and outside of its budget, and believe them for a second; read-ahead reads what has been asked for already.
  for (const char* cache : {"*-io-cache", "*-read-ahead"}) {
    if (glfs_set_xlator_option(fs_, cache, "pass-through", "on") != 0) return failure();
  }
  // It hands each call to one of its own threads, so that callers need not send it themselves. Ours are there for that: the pool's
  // threads wait for the answer anyway, and each hand-over is a thread more to be woken.
  if (glfs_set_xlator_option(fs_, "*-io-threads", "pass-through", "on") != 0) return failure();
  // glfs_fini waits for the first of libgfapi's event threads alone. The others say that they are ending, and then log and free
  // something by a context that may be gone (event_dispatch_epoll_worker): the process dies. So there is one.
  if (glfs_set_xlator_option(fs_, "*-client-*", "event-threads", "1") != 0) return failure();
  if (without_md_cache &&
      glfs_set_xlator_option(fs_, "*-md-cache", "md-cache-timeout", "0") != 0) {
    return failure();
  }
  errno = 0;
  const int err = glfs_init(fs_) == 0 ? 0 : failure();
  opened_ = std::chrono::steady_clock::now();
  return err;
}

int Volume::OpenRoot() {
  struct stat st;
  errno = 0;
  glfs_object_t* root = glfs_h_lookupat(fs_, nullptr, "/", &st, 0);
  const int err = errno;
  if (!root) return err == 0 ? kNoErrno : err;
  Gfid gfid{};
  glfs_h_extract_handle(root, gfid.data(), static_cast<int>(gfid.size()));
  root_ = std::make_shared<Handle>(root, gfid, std::string());
  return 0;
}

void Volume::LookUpRoot() const {
  struct stat st;
  glfs_object_t* root = glfs_h_lookupat(fs_, nullptr, "/", &st, 0);
  if (root) glfs_h_close(root);
}

std::mutex Volume::listeners_mutex_;
std::unordered_map<uintptr_t, std::weak_ptr<Volume::Listener>> Volume::listeners_;
uintptr_t Volume::last_listener_ = 0;

// Where the bricks have features.cache-invalidation off none come.
void Volume::ListenToBricks() {
  listener_->without_md_cache = without_md_cache_;
  uintptr_t number;
  {
    std::lock_guard<std::mutex> lock(listeners_mutex_);
    for (auto one = listeners_.begin(); one != listeners_.end();) {
      one = one->second.expired() ? listeners_.erase(one) : std::next(one);
    }
    number = ++last_listener_;
    listeners_[number] = listener_;
  }
  glfs_upcall_register(fs_, GLFS_EVENT_INODE_INVALIDATE, OnUpcall, reinterpret_cast<void*>(number));
}

// On a thread of libgfapi's. `event` is ours to free.
void Volume::OnUpcall(glfs_upcall_t* event, void* data) {
  std::shared_ptr<Listener> listener;
  {
    std::lock_guard<std::mutex> lock(listeners_mutex_);
    const auto found = listeners_.find(reinterpret_cast<uintptr_t>(data));
    if (found != listeners_.end()) listener = found->second.lock();
  }
  if (listener && glfs_upcall_get_reason(event) == GLFS_UPCALL_INODE_INVALIDATE) {
    auto* inode = static_cast<glfs_upcall_inode_t*>(glfs_upcall_get_event(event));
    if (inode) listener->Hear(inode);
  }
  glfs_free(event);
}

// Bricks tell the folder's side of an unlink or a rename only with the event of the object, as its parent.
void Volume::Listener::Hear(glfs_upcall_inode_t* event) {
  constexpr uint64_t kNames = GFAPI_UP_RENAME | GFAPI_UP_NLINK;
  constexpr uint64_t kNotContent = kNames | GFAPI_UP_MODE | GFAPI_UP_OWN | GFAPI_UP_PERM | GFAPI_UP_FORGET;
  const uint64_t flags = glfs_upcall_inode_get_flags(event);
  if ((flags & ~static_cast<uint64_t>(GFAPI_UP_ATIME)) == 0) return;
  const auto gfid_of = [](glfs_object_t* object, Gfid* gfid) {
    return object && glfs_h_extract_handle(object, gfid->data(), static_cast<int>(gfid->size())) > 0;
  };
  Gfid gfid{};
  if (gfid_of(glfs_upcall_inode_get_object(event), &gfid)) {
    // Before anybody who is told can ask again.
    if ((flags & kNames) != 0 && !without_md_cache) doubts.Add(gfid);
    if ((flags & kNotContent) != 0) last_changes.Add(gfid);
    TellChanged(gfid);
  }
  if (gfid_of(glfs_upcall_inode_get_pobject(event), &gfid)) TellChanged(gfid);
  if (gfid_of(glfs_upcall_inode_get_oldpobject(event), &gfid)) TellChanged(gfid);
}

// md-cache answers a lookup by name from what it knows of the inode, and every reply about the inode,
// to a read or to a lookup below it, prolongs that: a folder or file in use that has been renamed away
// would be served under its old name for as long as it is in use. Only the bricks' invalidations
// (features.cache-invalidation) end that; without them md-cache must not answer. With them it is still wrong
// of what was renamed away in use, which is what Doubts are for.
bool Volume::TrustsStaleNames(const std::string& volfile) {
  if (volfile.empty()) return true;
  const size_t type = volfile.find("type performance/md-cache");
  if (type == std::string::npos) return false;
  const std::string section = volfile.substr(type, volfile.find("end-volume", type) - type);
  const size_t option = section.find("option cache-invalidation ");
  if (option == std::string::npos) return true;
  const std::string value = section.substr(option + strlen("option cache-invalidation "));
  for (const char* yes : {"on\n", "true\n", "yes\n", "enable\n", "1\n"}) {
    if (value.compare(0, strlen(yes), yes) == 0) return false;
  }
  return true;
}

// A null buffer asks for the size, which comes back negative. Both are a function of the graph in use, and what is copied is
// as long as the buffer, whatever there is: where the size is another afterwards, it was of two graphs.
std::string Volume::Volfile() const {
  if (!layout_.empty()) return layout_;
  const auto size_now = [this] { return -glfs_get_volfile(fs_, nullptr, 0); };
  for (int attempt = 0; attempt < kMostVolfileLooks; ++attempt) {
    const ssize_t size = size_now();
    if (size <= 0) return {};
    std::string volfile(static_cast<size_t>(size), '\0');
    if (glfs_get_volfile(fs_, volfile.data(), volfile.size()) <= 0) return {};
    if (size_now() == size) return volfile;
  }
  return {};
}

bool Volume::NoticeVolfile(const std::string& volfile) {
  if (volfile.empty()) return false;
  const size_t hash = std::max<size_t>(1, std::hash<std::string>()(volfile));
  const size_t before = volfile_hash_.exchange(hash);
  if (before == 0 || before == hash) return false;
  handles_.Clear();
  return true;
}

void Volume::Close(std::function<void()> closed) {
  {
    std::lock_guard<std::mutex> lock(state_mutex_);
    const State was = std::exchange(state_, State::kClosed);
    if (ended_) {
      StartDetached("gfs-close", std::move(closed));
      return;
    }
    if (was != State::kReady) {
      closed_ = std::move(closed);  // the connecting thread ends the volume
      return;
    }
  }
  StartDetached("gfs-close", [self = shared_from_this(), closed = std::move(closed)] {
    self->Finish();
    closed();
  });
}

void Volume::EndThreads() {
  if (pool_) pool_->Shutdown();
  if (aside_) aside_->Shutdown();
  if (pool_) pool_->Join();
  if (aside_) aside_->Join();
}

void Volume::Finish() {
  EndThreads();
  // No thread of the pools runs any more, and no job refers to this volume.
  {
    std::lock_guard<std::mutex> lock(files_mutex_);
    files_.clear();
  }
  handles_.Clear();
  root_.reset();
  if (fs_) glfs_upcall_unregister(fs_, GLFS_EVENT_ANY);
  if (fs_) End(fs_, opened_);
  fs_ = nullptr;
  // What a connection held lies all over the heaps of its threads: of itself glibc keeps all of it.
  malloc_trim(0);
}

Status Volume::Submit(std::unique_ptr<Task>& task, Lane lane) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  if (state_ != State::kReady) return Status::kClosed;
  if (lane == Lane::kAside && !aside_) aside_ = std::make_unique<ThreadPool>(1, 1);
  ThreadPool& pool = lane == Lane::kAside ? *aside_ : *pool_;
  switch (lane == Lane::kUrgent ? pool.SubmitUrgent(task) : pool.Submit(task)) {
    case ThreadPool::Accepted::kYes:
      return Status::kOk;
    case ThreadPool::Accepted::kFull:
      return Status::kBusy;
    case ThreadPool::Accepted::kShutDown:
      return Status::kClosed;
  }
  return Status::kClosed;
}

uint32_t Volume::AddFile(std::shared_ptr<OpenFile> file) {
  std::lock_guard<std::mutex> lock(files_mutex_);
  // Skips 0 (no file) and, after four billion opens, ids still in use.
  while (next_file_ == 0 || files_.count(next_file_) != 0) ++next_file_;
  const uint32_t id = next_file_++;
  files_.emplace(id, std::move(file));
  return id;
}

std::shared_ptr<OpenFile> Volume::FindFile(uint32_t id) {
  std::lock_guard<std::mutex> lock(files_mutex_);
  auto found = files_.find(id);
  return found == files_.end() ? nullptr : found->second;
}

std::shared_ptr<OpenFile> Volume::RemoveFile(uint32_t id) {
  std::lock_guard<std::mutex> lock(files_mutex_);
  auto found = files_.find(id);
  if (found == files_.end()) return nullptr;
  std::shared_ptr<OpenFile> file = std::move(found->second);
  files_.erase(found);
  return file;
}

void Volume::ExchangeFile(uint32_t id, std::shared_ptr<OpenFile> file) {
  std::lock_guard<std::mutex> lock(files_mutex_);
  auto found = files_.find(id);
  // What was there is closed after the lock, as `file` goes.
  if (found != files_.end()) std::swap(found->second, file);
}

void Volume::SetSpare(size_t spare) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  if (state_ == State::kReady) pool_->SetSpare(spare);
}

Volume::Stats Volume::stats(std::chrono::milliseconds stuck_after) {
  Stats stats{{0, 0, 0, 0}, handles_.size(), 0};
  {
    std::lock_guard<std::mutex> lock(state_mutex_);
    if (state_ == State::kReady) stats.pool = pool_->stats(stuck_after);
  }
  std::lock_guard<std::mutex> lock(files_mutex_);
  stats.open_files = files_.size();
  return stats;
}

}  // namespace gfserve
