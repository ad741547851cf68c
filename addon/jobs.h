// The bodies of the jobs that run on a volume's threads. They know gfapi, but neither Node nor HTTP.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "block_pool.h"
#include "completion_queue.h"
#include "handle_cache.h"
#include "notice_queue.h"
#include "path_walk.h"
#include "status.h"
#include "thread_pool.h"
#include "trail.h"
#include "volume.h"

namespace gfserve {

// A link is only ever an entry of a listing: paths are resolved.
enum class FileType : uint32_t { kNone = 0, kRegular = 1, kDirectory = 2, kOther = 3, kLink = 4 };

// What one job found. One job gives exactly one completion.
struct Completion {
  uint32_t token = 0;
  Status status = Status::kOk;
  int err = 0;                // the errno behind a status that is not kOk, where there was one
  uint32_t candidate = 0;     // open: which one was found. list: 1 when the directory is at its end
  FileType type = FileType::kNone;
  struct stat st = {};
  Gfid gfid = {};
  uint32_t file_id = 0;       // an open file that the receiver must release, or 0
  Block* block = nullptr;     // a block that the receiver must release, or null
  uint32_t length = 0;        // bytes of the block that count
  uint32_t age_ms = 0;        // open: of the oldest look that was trusted, the bricks' or this one's
  uint32_t waited_us = 0;     // in the queue
  uint32_t ran_us = 0;        // on a thread
  bool unchanged = false;     // open: it is the version that the request named as known
  std::shared_ptr<const Trail> trail;  // open: null where it was not asked for
};

// Shared by an environment's loop and the threads of its volumes; whoever comes last frees it.
struct Shared {
  explicit Shared(const std::function<void()>& wake)
      : completions(wake), notices(std::make_shared<NoticeQueue>(wake)) {}

  static constexpr size_t kMaxJobs = 65536;

  std::shared_ptr<BlockPool> blocks = std::make_shared<BlockPool>();
  CompletionQueue<Completion> completions;
  std::shared_ptr<NoticeQueue> notices;
  // One byte a token, set by the loop to 1 when nobody waits for the job any more.
  std::unique_ptr<std::atomic<uint8_t>[]> cancelled{new std::atomic<uint8_t>[kMaxJobs]()};
};

// A job's common part: cancellation, times, and delivery of exactly one completion.
// `volume` outlives the job: Volume joins its threads before it goes.
class Job : public Task {
 public:
  Job(std::shared_ptr<Shared> shared, Volume& volume, uint32_t token)
      : volume_(volume), shared_(std::move(shared)), queued_(Clock::now()) {
    result_.token = token;
  }

  void Run() final;
  void Drop() final;

 protected:
  virtual void Execute() = 0;
  // Fills in the status of a gfapi call that failed; pass errno as saved on the next line.
  void Fail(int err) { Fail(StatusFromErrno(err), err); }
  void Fail(Status status, int err);
  // A block of at least `size` bytes into the result; false, with the status set, without memory.
  bool AcquireBlock(size_t size);
  void ReleaseBlock();

  Volume& volume_;
  Completion result_;

 private:
  using Clock = std::chrono::steady_clock;
  void Deliver();

  const std::shared_ptr<Shared> shared_;
  const Clock::time_point queued_;
};

// Finds the first candidate that exists and, if wanted, its body. A candidate that is a directory
// counts only as the last one. A regular file's body of up to `inline_limit` bytes comes with the
// completion, by anonymous read on the held handle; of a larger one, `first_chunk` bytes from
// `first_offset` on, and an open file. The stat after the read must equal the one before, else it is all done again.
// Of the version that is known there is no body: the completion says `unchanged`.
class OpenJob final : public Job {
 public:
  // A version of a regular file, and the candidate under which it was found.
  struct Known {
    uint32_t candidate;
    Gfid gfid;
    off_t size;
    struct timespec mtime, ctime;
  };

  struct Request {
    std::shared_ptr<const Root> root;
    std::vector<std::string> candidates;  // at least one
    uint32_t inline_limit;                // bytes, at most BlockPool::kLargest
    uint32_t first_chunk;                 // bytes, at most BlockPool::kLargest
    uint64_t first_offset;                // where that begins; past the end nothing is read
    bool want_body;                       // of a regular file
    bool want_listing;                    // open a directory as a stream for ListJob
    bool want_trail = false;
    std::optional<Known> known = std::nullopt;
    // How old a look at a folder on the way may be, and a brick's word for any name.
    std::chrono::milliseconds trust = PathWalk::kFolderFresh;
  };

  OpenJob(std::shared_ptr<Shared> shared, Volume& volume, uint32_t token, Request request)
      : Job(std::move(shared), volume, token), request_(std::move(request)) {
    if (request_.want_trail) result_.trail = trail_ = std::make_shared<Trail>();
  }

 private:
  // kUnsure: the name is missing, but a folder on the way was only trusted.
  enum class Outcome { kDone, kAgain, kUnsure };

  void Execute() override;
  // Only the first one trusts what was seen before. `absent`: what the attempt before did not find; becomes what this one did not.
  Outcome Attempt(bool is_first, Absences* absent);
  // kDone with a status that is not kOk when the stat failed.
  Outcome StatByGfid(const Node& node, struct stat* st);
  // `may_have_moved`: md-cache's word for the name has not been asked to be confirmed.
  Outcome ReadWhole(const Node& node, bool may_have_moved);
  // Null with the errno when it failed.
  glfs_fd_t* Open(const Node& node, int* err);
  Outcome ReadByHandle(const Node& node, size_t size);
  Outcome ReadByFd(const Node& node, size_t size);
  Outcome OpenLarge(const Node& node);
  Outcome OpenDirectory(const Node& node);
  void Describe(const Node& node, uint32_t candidate);
  // Is that the object that is known, and, if so, the version?
  bool IsKnownObject(const Node& node, uint32_t candidate) const;
  bool IsKnownVersion(const struct stat& st) const;

  const Request request_;
  std::shared_ptr<Trail> trail_;  // of the last attempt; null where nobody asks for it
};

// Reads from a file that OpenJob opened, into one block. Exactly `length` bytes, or kChanged. A descriptor
// that can't be used any more is exchanged for a new one, once, where the file is still the same.
class ReadJob final : public Job {
 public:
  ReadJob(std::shared_ptr<Shared> shared, Volume& volume, uint32_t token, uint32_t file_id,
          uint64_t offset, uint32_t length)
      : Job(std::move(shared), volume, token), file_id_(file_id), offset_(offset), length_(length) {}

 private:
  void Execute() override;
  // Null when that fails, or when the file is not what it was.
  std::shared_ptr<OpenFile> Reopen(const OpenFile& file);

  const uint32_t file_id_;
  const uint64_t offset_;
  const uint32_t length_;
};

// Reads the next entries of a directory stream, until a block is full or kListTime has passed. The
// block holds, entry after entry, unaligned and little-endian: double size, double mtime (seconds),
// uint8 FileType, uint8 name length, the name. Left out: "." and "..", GlusterFS' own names, and what
// was removed meanwhile. Not by two threads at once on one stream.
class ListJob final : public Job {
 public:
  ListJob(std::shared_ptr<Shared> shared, Volume& volume, uint32_t token, uint32_t file_id)
      : Job(std::move(shared), volume, token), file_id_(file_id) {}

 private:
  void Execute() override;
  // false at the directory's end, and with the status set on an error.
  bool Next(const OpenFile& folder, struct dirent* entry, struct stat* st);
  bool IsShown(const OpenFile& folder, const char* name, struct stat* st);

  const uint32_t file_id_;
};

// Asks every brick that the layout names for the volume's size: no cache of libgfapi's answers that.
// Bricks that are known to be gone are left out; the job fails when none is left. And renews the layout of
// the root (Volume::LookUpRoot).
class ProbeJob final : public Job {
 public:
  using Job::Job;

 private:
  void Execute() override;
};

// Has the distribute xlator learn how the root's names are spread: see Volume::LookUpRoot. It asks every brick.
class LayoutJob final : public Job {
 public:
  using Job::Job;

 private:
  void Execute() override;
};

// What this client knows of the volume, which takes no round trip. The block holds lines of text: one
// with two numbers, whether the layout changed since the last time and whether a new connection is
// needed for it, and the name of the newest graph, which calls use as soon as it is up; then one for each
// brick of it, "xlator \t host \t path \t 0 or 1 (connected) \t group \t needed": of the bricks of a
// group so many must be connected for its files to be there.
class WatchJob final : public Job {
 public:
  using Job::Job;

 private:
  void Execute() override;
  // Empty where libgfapi does not say.
  std::string NewestGraph() const;
  std::string Bricks(const std::string& volfile) const;
  bool IsConnected(const std::string& xlator) const;
};

// Closes an open file, which may take a round trip to the brick. It has no completion.
class ReleaseTask final : public Task {
 public:
  ReleaseTask(Volume& volume, uint32_t file_id) : volume_(volume), file_id_(file_id) {}

  void Run() override { volume_.RemoveFile(file_id_); }
  void Drop() override {}  // the volume closes what is left in its table

 private:
  Volume& volume_;
  const uint32_t file_id_;
};

// Reads `length` bytes at `offset` of an open file into `data`. On kOk exactly that many were read
// and the file's size and mtime are still those it was opened with. Returns errno in `err`.
Status ReadExactly(const OpenFile& file, uint8_t* data, size_t length, uint64_t offset, int* err);

}  // namespace gfserve
