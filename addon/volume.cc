#include "volume.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace gfserve {

namespace {

void StartDetached(const char* name, std::function<void()> body) {
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  thread.detach();
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

std::shared_ptr<Volume> Volume::Create(VolumeSpec spec, std::shared_ptr<BlockPool> blocks) {
  return std::shared_ptr<Volume>(new Volume(std::move(spec), std::move(blocks)));
}

Volume::Volume(VolumeSpec spec, std::shared_ptr<BlockPool> blocks)
    : spec_(std::move(spec)),
      blocks_(std::move(blocks)),
      identity_(Identity::OfProcess()),
      handles_(spec_.handle_capacity) {}

void Volume::Connect(std::function<void(const ConnectResult&)> done) {
  StartDetached("gfs-connect", [self = shared_from_this(), done = std::move(done)] {
    const ConnectResult result = self->Init();
    std::function<void()> closed;
    {
      std::lock_guard<std::mutex> lock(self->state_mutex_);
      if (self->state_ == State::kConnecting) {
        self->state_ = result.status == Status::kOk ? State::kReady : State::kFailed;
      } else {
        closed = std::move(self->closed_);
      }
    }
    done(result);
    // Nobody uses a volume that failed or was closed meanwhile: this thread ends it.
    if (closed || result.status != Status::kOk) self->Finish();
    if (closed) closed();
  });
}

ConnectResult Volume::Init() {
  const auto start = std::chrono::steady_clock::now();
  const auto result = [&start](Status status, int err) {
    const auto took = std::chrono::steady_clock::now() - start;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    return ConnectResult{status, err, static_cast<uint32_t>(ms)};
  };
  // Any nonzero return is a failure, and errno may be 0 then; it is read before anything else runs.
  const auto failure = [&result] {
    const int err = errno;
    return result(StatusFromErrno(err), err);
  };

  errno = 0;
  fs_ = glfs_new(spec_.volname.c_str());
  if (!fs_) return failure();
  if (glfs_set_logging(fs_, spec_.log_file.c_str(), spec_.log_level) != 0) return failure();
  if (!spec_.volfile.empty()) {
    if (glfs_set_volfile(fs_, spec_.volfile.c_str()) != 0) return failure();
  }
  for (const auto& server : spec_.servers) {
    if (glfs_set_volfile_server(fs_, server.transport.c_str(), server.host.c_str(), server.port) != 0) {
      return failure();
    }
  }
  for (const auto& option : spec_.options) {
    if (glfs_set_xlator_option(fs_, option.xlator.c_str(), option.key.c_str(), option.value.c_str()) != 0) {
      return failure();
    }
  }
  errno = 0;
  if (glfs_init(fs_) != 0) return failure();

  struct stat st;
  errno = 0;
  glfs_object_t* root = glfs_h_lookupat(fs_, nullptr, "/", &st, 0);
  if (!root) return failure();
  Gfid gfid{};
  glfs_h_extract_handle(root, gfid.data(), static_cast<int>(gfid.size()));
  root_ = std::make_shared<Handle>(root, gfid, std::string());
  pool_ = std::make_unique<ThreadPool>(spec_.threads, spec_.max_queue);
  return result(Status::kOk, 0);
}

void Volume::Close(std::function<void()> closed) {
  {
    std::lock_guard<std::mutex> lock(state_mutex_);
    const State was = std::exchange(state_, State::kClosed);
    if (was == State::kConnecting) {
      closed_ = std::move(closed);  // the connecting thread ends the volume
      return;
    }
    if (was == State::kFailed) {  // the connecting thread is ending it, or has
      StartDetached("gfs-close", std::move(closed));
      return;
    }
  }
  StartDetached("gfs-close", [self = shared_from_this(), closed = std::move(closed)] {
    self->pool_->Shutdown();
    self->pool_->Join();
    self->Finish();
    closed();
  });
}

// No pool thread runs any more, and no job refers to this volume.
void Volume::Finish() {
  if (pool_) {
    pool_->Shutdown();
    pool_->Join();
  }
  {
    std::lock_guard<std::mutex> lock(files_mutex_);
    files_.clear();
  }
  handles_.Clear();
  root_.reset();
  if (fs_) glfs_fini(fs_);
  fs_ = nullptr;
}

Status Volume::Submit(std::unique_ptr<Task>& task, bool urgent) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  if (state_ != State::kReady) return Status::kClosed;
  switch (urgent ? pool_->SubmitUrgent(task) : pool_->Submit(task)) {
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

Volume::Stats Volume::stats() {
  Stats stats{{0, 0, 0}, handles_.size(), 0};
  {
    std::lock_guard<std::mutex> lock(state_mutex_);
    if (state_ == State::kReady) stats.pool = pool_->stats();
  }
  std::lock_guard<std::mutex> lock(files_mutex_);
  stats.open_files = files_.size();
  return stats;
}

}  // namespace gfserve
