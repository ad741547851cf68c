// Drives one volume as the addon does: a single thread submits jobs and takes completions.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../addon/jobs.h"
#include "../../addon/path_walk.h"
#include "../../addon/volume.h"
#include "check.h"

namespace gfserve::test {

// What the runner passes to every program that needs a volume.
struct Place {
  std::string server, volname, mount, log;

  static Place FromArguments(int argc, char** argv) {
    if (argc < 5) Fail(__FILE__, __LINE__, "usage: PROGRAM SERVER VOLUME MOUNT LOG");
    return {argv[1], argv[2], argv[3], argv[4]};
  }

  VolumeSpec Spec() const {
    VolumeSpec spec;
    spec.volname = volname;
    spec.servers.push_back({"tcp", server, 24007});
    spec.log_file = log;
    spec.log_level = 4;
    spec.threads = 4;
    spec.max_queue = 1024;
    spec.handle_capacity = 65536;
    return spec;
  }
};

// A root by its path, as AddRoot of the addon makes it.
inline std::shared_ptr<const Root> MakeRoot(const std::string& path, SymlinkPolicy policy) {
  Root root{{}, policy};
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) root.components.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return std::make_shared<const Root>(std::move(root));
}

struct OpenOptions {
  uint32_t inline_limit = 256 << 10;
  uint32_t first_chunk = 64 << 10;
  uint64_t first_offset = 0;
  bool body = true;
  bool listing = false;
  bool trail = false;
  std::optional<OpenJob::Known> known = std::nullopt;
  std::chrono::milliseconds trust = PathWalk::kFolderFresh;
};

// All methods belong to one thread, the one that made it.
class Client {
 public:
  static constexpr uint32_t kNumber = 1;  // the volume's, in notices

  explicit Client(VolumeSpec spec)
      : shared_(std::make_shared<Shared>([this] { Wake(); })),
        volume_(Volume::Create(std::move(spec), shared_->blocks, shared_->notices, kNumber)) {
    for (uint32_t token = Shared::kMaxJobs; token-- > 0;) free_tokens_.push_back(token);
  }

  // The volume must have been closed, or was never connected.
  ~Client() {
    for (Completion& left : shared_->completions.Detach()) {
      if (left.block) shared_->blocks->Release(left.block);
    }
    shared_->notices->Detach();
  }

  ConnectResult Connect() {
    ConnectResult got{};
    Gate done;
    volume_->Connect([&](const ConnectResult& result) {
      got = result;
      done.Open();
    });
    done.Wait();
    return got;
  }

  void MustConnect() {
    const ConnectResult result = Connect();
    if (result.status != Status::kOk) {
      Fail(__FILE__, __LINE__, "connecting failed with errno " + std::to_string(result.err));
    }
  }

  // Blocks until the volume has ended.
  void Close() {
    Gate closed;
    volume_->Close([&] { closed.Open(); });
    closed.Wait();
  }

  Volume& volume() { return *volume_; }
  std::shared_ptr<Volume>& shared_volume() { return volume_; }
  BlockPool& blocks() { return *shared_->blocks; }
  const std::shared_ptr<Shared>& shared() { return shared_; }
  size_t in_flight() const { return Shared::kMaxJobs - free_tokens_.size(); }

  // Each returns the job's token; the volume must be connected and its queue not full.
  uint32_t Open(std::shared_ptr<const Root> root, std::vector<std::string> candidates,
                OpenOptions options = {}) {
    OpenJob::Request request{std::move(root),     std::move(candidates), options.inline_limit,
                             options.first_chunk, options.first_offset,  options.body,
                             options.listing,     options.trail,         options.known,
                             options.trust};
    const uint32_t token = TakeToken();
    MustSubmit(std::make_unique<OpenJob>(shared_, *volume_, token, std::move(request)));
    return token;
  }

  uint32_t Read(uint32_t file, uint64_t offset, uint32_t length) {
    const uint32_t token = TakeToken();
    MustSubmit(std::make_unique<ReadJob>(shared_, *volume_, token, file, offset, length));
    return token;
  }

  uint32_t List(uint32_t file) {
    const uint32_t token = TakeToken();
    MustSubmit(std::make_unique<ListJob>(shared_, *volume_, token, file));
    return token;
  }

  // As the addon's release(): a volume that has been closed closes the file by itself.
  void Release(uint32_t file) {
    std::unique_ptr<Task> task = std::make_unique<ReleaseTask>(*volume_, file);
    volume_->Submit(task, Volume::Lane::kUrgent);
  }

  void Cancel(uint32_t token) { shared_->cancelled[token].store(1, std::memory_order_relaxed); }

  // Takes what has completed, waiting up to `time` for the first one.
  std::vector<Completion> Take(std::chrono::milliseconds time) {
    std::vector<Completion> batch;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      woken_at_all_.wait_for(lock, time, [this] { return woken_; });
      woken_ = false;
    }
    shared_->completions.Take(batch);
    for (const Completion& completion : batch) {
      shared_->cancelled[completion.token].store(0, std::memory_order_relaxed);
      free_tokens_.push_back(completion.token);
    }
    return batch;
  }

  // Waits for one job; no other may be in flight.
  Completion Wait(uint32_t token) {
    for (int i = 0; i < 600; ++i) {
      std::vector<Completion> batch = Take(std::chrono::milliseconds(100));
      if (batch.empty()) continue;
      CHECK_EQ(batch.size(), 1u);
      CHECK_EQ(batch[0].token, token);
      return batch[0];
    }
    Fail(__FILE__, __LINE__, "a job did not complete within a minute");
  }

  // Gives back what a completion holds.
  void Discard(const Completion& completion) {
    if (completion.block) blocks().Release(completion.block);
    if (completion.file_id != 0) Release(completion.file_id);
  }

 private:
  void Wake() {
    std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    woken_at_all_.notify_one();
  }

  uint32_t TakeToken() {
    CHECK(!free_tokens_.empty());
    const uint32_t token = free_tokens_.back();
    free_tokens_.pop_back();
    return token;
  }

  void MustSubmit(std::unique_ptr<Task> task) {
    const Status status = volume_->Submit(task, Volume::Lane::kQueue);
    if (status != Status::kOk) {
      Fail(__FILE__, __LINE__, "a job was refused: " + std::to_string(static_cast<int>(status)));
    }
  }

  std::mutex mutex_;
  std::condition_variable woken_at_all_;
  bool woken_ = false;  // guarded by mutex_
  std::vector<uint32_t> free_tokens_;
  const std::shared_ptr<Shared> shared_;
  std::shared_ptr<Volume> volume_;
};

// A completion with its body copied out and everything given back, save the open file.
struct Answer {
  Completion completion;
  std::string body;
};

inline Answer Collect(Client& client, Completion completion) {
  Answer answer{completion, {}};
  if (completion.block) {
    answer.body.assign(reinterpret_cast<const char*>(completion.block->data), completion.length);
    client.blocks().Release(completion.block);
    answer.completion.block = nullptr;
  }
  return answer;
}

inline Answer Get(Client& client, const std::shared_ptr<const Root>& root, const std::string& path,
                  OpenOptions options = {}) {
  return Collect(client, client.Wait(client.Open(root, {path}, options)));
}

}  // namespace gfserve::test
