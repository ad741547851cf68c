#include "jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace gfserve {

namespace {

constexpr int kAttempts = 6;             // before a file that keeps changing is given up
constexpr size_t kListBlock = 256 << 10; // bytes of entries a completion
// A batch ends after this long: on bricks whose disks must seek for every entry, a full block could take
// longer than a request may.
constexpr std::chrono::milliseconds kListTime{100};
constexpr size_t kEntryOverhead = sizeof(double) * 2 + 2;

FileType TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return FileType::kRegular;
  if (S_ISDIR(mode)) return FileType::kDirectory;
  if (S_ISLNK(mode)) return FileType::kLink;
  return FileType::kOther;
}

uint32_t Microseconds(std::chrono::steady_clock::duration time) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// Errors of a descriptor that say nothing of its file. EBADFD: libgfapi could not take it over into a new
// graph, or its brick has come back without it.
bool IsUnusable(int err) { return err == EBADFD || err == EBADF || err == ESTALE; }

// Was the file written within the last seconds, or in the future of this machine's clock?
bool WrittenLately(const struct stat& st) {
  constexpr time_t kSettled = 2;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec - st.st_mtim.tv_sec <= kSettled;
}

// Statuses that mean "this name isn't there": the next candidate may be.
bool IsAbsent(Status status) { return status == Status::kNotFound || status == Status::kLoop; }

}  // namespace

void Job::Run() {
  const auto start = Clock::now();
  result_.waited_us = Microseconds(start - queued_);
  if (shared_->cancelled[result_.token].load(std::memory_order_relaxed) != 0) {
    result_.status = Status::kCancelled;
  } else {
    Execute();
  }
  result_.ran_us = Microseconds(Clock::now() - start);
  Deliver();
}

void Job::Drop() {
  result_.status = Status::kClosed;
  Deliver();
}

void Job::Deliver() {
  const uint32_t file_id = result_.file_id;
  if (shared_->completions.Push(result_)) return;
  // The environment has gone: nobody will give these back. Drop never gets here with either.
  ReleaseBlock();
  if (file_id != 0) volume_.RemoveFile(file_id);
}

void Job::Fail(Status status, int err) {
  result_.status = status;
  result_.err = err;
}

bool Job::AcquireBlock(size_t size) {
  result_.block = shared_->blocks->Acquire(size);
  if (result_.block) return true;
  Fail(Status::kNoMemory, ENOMEM);
  return false;
}

void Job::ReleaseBlock() {
  if (result_.block) shared_->blocks->Release(result_.block);
  result_.block = nullptr;
  result_.length = 0;
}

void OpenJob::Execute() {
  Absences absent;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    result_.status = Status::kOk;
    result_.err = 0;
    // What goes on changing may only seem to, by a layout of the root that is none any more.
    if (attempt == kAttempts / 2) volume_.LookUpRoot();
    const Outcome outcome = Attempt(attempt == 0, &absent);
    if (outcome == Outcome::kDone) return;
    // A name that a folder did not have needs no second look once the folder proves to be the one on the way.
    if (outcome != Outcome::kUnsure) absent = {};
    ReleaseBlock();
  }
  Fail(Status::kChanged, 0);
}

OpenJob::Outcome OpenJob::Attempt(bool is_first, Absences* absent) {
  const auto trust = is_first ? request_.trust : std::chrono::milliseconds(0);
  const bool trust_folders = trust.count() > 0;
  if (trail_) trail_->Clear();
  const off_t reads = is_first && request_.want_body && !request_.known ? request_.inline_limit : 0;
  PathWalk walk(volume_, trust, request_.trust, trail_.get(), reads, std::move(*absent));
  Node node;
  WalkError error;
  uint32_t index = 0;
  const auto count = static_cast<uint32_t>(request_.candidates.size());
  for (; index < count; ++index) {
    error = walk.Resolve(*request_.root, request_.candidates[index], &node);
    if (error.err == ESTALE) return Outcome::kAgain;
    const bool last = index + 1 == count;
    if (error.status == Status::kOk && S_ISDIR(node.st.st_mode) && !last) {
      error = {Status::kNotFound, EISDIR};
    }
    if (!IsAbsent(error.status)) break;
  }
  // Rounded up: it is what the answer may be out of date by.
  result_.age_ms =
      static_cast<uint32_t>(std::chrono::ceil<std::chrono::milliseconds>(std::max(walk.age(), walk.belief_age())).count());
  // Under a remembered folder that has been replaced since, nothing can be said to be missing.
  if (walk.age().count() > 0 && IsAbsent(error.status)) {
    *absent = walk.absences();
    return Outcome::kUnsure;
  }
  if (error.status != Status::kOk) {
    Fail(error.status, error.err);
    return Outcome::kDone;
  }
  // A body is only taken with the stat that the gfid has after reading it. Where that differs from
  // what came with the name, and where no body is read, the gfid's stat is asked for at once.
  const bool has_body = request_.want_body && node.st.st_size > 0;
  const bool is_known = IsKnownObject(node, index);
  bool unchanged = is_known && IsKnownVersion(node.st);
  if (S_ISREG(node.st.st_mode) && !unchanged && (is_known || !(trust_folders && has_body))) {
    const Outcome outcome = StatByGfid(node, &node.st);
    if (outcome == Outcome::kAgain || result_.status != Status::kOk) return outcome;
    unchanged = is_known && IsKnownVersion(node.st);
  }
  Describe(node, index);
  if (result_.type != FileType::kRegular && result_.type != FileType::kDirectory) {
    Fail(Status::kNotRegular, 0);
    return Outcome::kDone;
  }
  const int want = result_.type == FileType::kDirectory ? R_OK | X_OK : R_OK;
  const bool needs_read = result_.type == FileType::kRegular || request_.want_listing;
  if (needs_read && !volume_.identity().Allows(node.st, want) &&
      glfs_h_access(volume_.fs(), node.handle->object(), want) != 0) {
    Fail(Status::kForbidden, EACCES);
    return Outcome::kDone;
  }
  if (result_.type == FileType::kDirectory) {
    return request_.want_listing ? OpenDirectory(node) : Outcome::kDone;
  }
  result_.unchanged = unchanged;
  if (unchanged || !request_.want_body || node.st.st_size == 0) return Outcome::kDone;
  if (node.st.st_size > request_.inline_limit) return OpenLarge(node);
  return ReadWhole(node, reads > 0 && volume_.trusts_md_cache());
}

// What a lookup by name says of a file's times may be wrong for good: a brick whose inode table gives
// the name to the file that had it before takes them from there (features.ctime, GlusterFS 10.3).
OpenJob::Outcome OpenJob::StatByGfid(const Node& node, struct stat* st) {
  errno = 0;
  if (glfs_h_stat(volume_.fs(), node.handle->object(), st) == 0) return Outcome::kDone;
  const int err = errno;
  if (IsGone(err)) return Outcome::kAgain;
  ReleaseBlock();
  Fail(err);
  return Outcome::kDone;
}

void OpenJob::Describe(const Node& node, uint32_t candidate) {
  result_.candidate = candidate;
  result_.type = TypeOf(node.st.st_mode);
  result_.st = node.st;
  result_.gfid = node.handle->gfid();
}

bool OpenJob::IsKnownObject(const Node& node, uint32_t candidate) const {
  return request_.known && request_.known->candidate == candidate && S_ISREG(node.st.st_mode) &&
         request_.known->gfid == node.handle->gfid();
}

bool OpenJob::IsKnownVersion(const struct stat& st) const {
  const Known& known = *request_.known;
  return st.st_size == known.size && SameTime(st.st_mtim, known.mtime) &&
         SameTime(st.st_ctim, known.ctime);
}

OpenJob::Outcome OpenJob::ReadWhole(const Node& node, bool may_have_moved) {
  const auto size = static_cast<size_t>(node.st.st_size);
  if (!AcquireBlock(size)) return Outcome::kDone;
  // An invalidation may bring a file's new times before every brick has its new content: while that is
  // so, only a stat in the reply to the read itself tells which content it was.
  const Outcome read = WrittenLately(node.st) ? ReadByFd(node, size) : ReadByHandle(node, size);
  if (read == Outcome::kAgain || result_.status != Status::kOk) return read;
  // The body may be newer than the stat that came with the name, and an anonymous read's reply
  // says nothing about it.
  struct stat after;
  const Outcome outcome = StatByGfid(node, &after);
  if (outcome == Outcome::kAgain || result_.status != Status::kOk) return outcome;
  if (after.st_size != node.st.st_size || !SameTime(after.st_mtim, node.st.st_mtim)) {
    return Outcome::kAgain;
  }
  // The read's reply tells of a name that the file has got or lost, which no event need have done. Then the walk asks for the name.
  if (may_have_moved && (after.st_nlink != node.st.st_nlink || !SameTime(after.st_ctim, node.st.st_ctim))) {
    return Outcome::kAgain;
  }
  result_.length = static_cast<uint32_t>(size);
  return Outcome::kDone;
}

OpenJob::Outcome OpenJob::ReadByHandle(const Node& node, size_t size) {
  size_t done = 0;
  while (done < size) {
    errno = 0;
    const ssize_t got = glfs_h_anonymous_read(volume_.fs(), node.handle->object(),
                                              result_.block->data + done, size - done,
                                              static_cast<off_t>(done));
    if (got < 0) {
      const int err = errno;
      if (IsGone(err)) return Outcome::kAgain;
      ReleaseBlock();
      Fail(err);
      return Outcome::kDone;
    }
    if (got == 0) return Outcome::kAgain;  // shorter than its stat said
    done += static_cast<size_t>(got);
  }
  return Outcome::kDone;
}

// md-cache goes on answering for a file that is gone until its invalidation comes, or until a reply says
// so: that to a read, not that to an open. After a read the next attempt finds what has the name now.
glfs_fd_t* OpenJob::Open(const Node& node, int* err) {
  errno = 0;
  glfs_fd_t* fd = glfs_h_open(volume_.fs(), node.handle->object(), O_RDONLY);
  *err = errno;
  if (!fd && IsGone(*err)) {
    char byte;
    glfs_h_anonymous_read(volume_.fs(), node.handle->object(), &byte, 1, 0);
  }
  return fd;
}

OpenJob::Outcome OpenJob::ReadByFd(const Node& node, size_t size) {
  int err = 0;
  glfs_fd_t* fd = Open(node, &err);
  Status status = StatusFromErrno(err);
  if (fd) {
    const OpenFile file(fd, node.st);
    err = 0;
    status = ReadExactly(file, result_.block->data, size, 0, &err);
  }
  if (status == Status::kChanged || IsGone(err)) return Outcome::kAgain;
  if (status == Status::kOk) return Outcome::kDone;
  ReleaseBlock();
  Fail(status, err);
  return Outcome::kDone;
}

OpenJob::Outcome OpenJob::OpenLarge(const Node& node) {
  int err = 0;
  glfs_fd_t* fd = Open(node, &err);
  if (!fd) {
    if (IsGone(err)) return Outcome::kAgain;
    Fail(err);
    return Outcome::kDone;
  }
  auto file = std::make_shared<OpenFile>(fd, node.st);
  file->gfid = node.handle->gfid();
  const auto size = static_cast<uint64_t>(node.st.st_size);
  if (request_.first_offset >= size) {
    result_.file_id = volume_.AddFile(std::move(file));
    return Outcome::kDone;
  }
  const auto length = static_cast<size_t>(
      std::min<uint64_t>(size - request_.first_offset, request_.first_chunk));
  if (!AcquireBlock(length)) return Outcome::kDone;
  err = 0;
  const Status status =
      ReadExactly(*file, result_.block->data, length, request_.first_offset, &err);
  if (status == Status::kChanged || IsGone(err)) return Outcome::kAgain;
  if (status != Status::kOk) {
    ReleaseBlock();
    Fail(status, err);
    return Outcome::kDone;
  }
  result_.length = static_cast<uint32_t>(length);
  result_.file_id = volume_.AddFile(std::move(file));
  return Outcome::kDone;
}

OpenJob::Outcome OpenJob::OpenDirectory(const Node& node) {
  errno = 0;
  glfs_fd_t* fd = glfs_h_opendir(volume_.fs(), node.handle->object());
  if (!fd) {
    const int err = errno;
    if (IsGone(err)) return Outcome::kAgain;
    Fail(err);
    return Outcome::kDone;
  }
  result_.file_id = volume_.AddFile(std::make_shared<OpenFile>(fd, node.st, node.handle));
  return Outcome::kDone;
}

Status ReadExactly(const OpenFile& file, uint8_t* data, size_t length, uint64_t offset, int* err) {
  bool stat_missing = false;
  size_t done = 0;
  while (done < length) {
    struct glfs_stat after = {};
    errno = 0;
    const ssize_t got = glfs_pread(file.fd, data + done, length - done,
                                   static_cast<off_t>(offset + done), 0, &after);
    if (got < 0) {
      *err = errno;
      return StatusFromErrno(*err);
    }
    if (got == 0) return Status::kChanged;
    done += static_cast<size_t>(got);
    // io-cache replies with a stat of zeros (ioc_frame_unwind).
    if (after.glfs_st_ctime.tv_sec == 0) {
      stat_missing = true;
      continue;
    }
    // A rename over the file or an unlink changes only its ctime, and the old content goes on.
    if (after.glfs_st_size != file.size || !SameTime(after.glfs_st_mtime, file.mtime)) {
      return Status::kChanged;
    }
  }
  if (!stat_missing) return Status::kOk;
  struct stat now;
  errno = 0;
  if (glfs_fstat(file.fd, &now) != 0) {
    *err = errno;
    return StatusFromErrno(*err);
  }
  const bool same = now.st_size == file.size && SameTime(now.st_mtim, file.mtime);
  return same ? Status::kOk : Status::kChanged;
}

void ReadJob::Execute() {
  const std::shared_ptr<OpenFile> file = volume_.FindFile(file_id_);
  if (!file || file->folder) {
    Fail(Status::kBadHandle, 0);
    return;
  }
  if (!AcquireBlock(length_)) return;
  int err = 0;
  Status status = ReadExactly(*file, result_.block->data, length_, offset_, &err);
  if (status != Status::kOk && IsUnusable(err)) {
    const std::shared_ptr<OpenFile> anew = Reopen(*file);
    if (anew) status = ReadExactly(*anew, result_.block->data, length_, offset_, &err);
  }
  if (status != Status::kOk) {
    ReleaseBlock();
    Fail(status, err);
    return;
  }
  result_.length = length_;
}

// The file itself may be as it was.
std::shared_ptr<OpenFile> ReadJob::Reopen(const OpenFile& file) {
  Gfid gfid = file.gfid;
  struct stat st;
  glfs_object_t* object =
      glfs_h_create_from_handle(volume_.fs(), gfid.data(), static_cast<int>(gfid.size()), &st);
  if (!object) return nullptr;
  glfs_fd_t* fd = nullptr;
  if (st.st_size == file.size && SameTime(st.st_mtim, file.mtime)) {
    fd = glfs_h_open(volume_.fs(), object, O_RDONLY);
  }
  glfs_h_close(object);
  if (!fd) return nullptr;
  auto anew = std::make_shared<OpenFile>(fd, st);
  anew->gfid = gfid;
  volume_.ExchangeFile(file_id_, anew);
  return anew;
}

void ListJob::Execute() {
  const std::shared_ptr<OpenFile> file = volume_.FindFile(file_id_);
  if (!file || !file->folder) {
    Fail(Status::kBadHandle, 0);
    return;
  }
  if (!AcquireBlock(kListBlock)) return;
  const auto deadline = std::chrono::steady_clock::now() + kListTime;
  uint8_t* out = result_.block->data;
  // What has been read from the stream must go into this block: so there is room for the longest name.
  uint8_t* const end = out + kListBlock - kEntryOverhead - NAME_MAX;
  struct dirent entry;
  struct stat st;
  while (out <= end && std::chrono::steady_clock::now() < deadline) {
    if (!Next(*file, &entry, &st)) break;
    if (!IsShown(*file, entry.d_name, &st)) continue;
    const size_t name_length = strnlen(entry.d_name, NAME_MAX);
    const auto size = static_cast<double>(st.st_size);
    const auto mtime = static_cast<double>(st.st_mtim.tv_sec);
    memcpy(out, &size, sizeof(size));
    memcpy(out + sizeof(size), &mtime, sizeof(mtime));
    out[sizeof(double) * 2] = static_cast<uint8_t>(TypeOf(st.st_mode));
    out[sizeof(double) * 2 + 1] = static_cast<uint8_t>(name_length);
    memcpy(out + kEntryOverhead, entry.d_name, name_length);
    out += kEntryOverhead + name_length;
  }
  if (result_.status != Status::kOk) {
    ReleaseBlock();
    return;
  }
  result_.length = static_cast<uint32_t>(out - result_.block->data);
}

bool ListJob::Next(const OpenFile& folder, struct dirent* entry, struct stat* st) {
  struct dirent* found = nullptr;
  *st = {};
  errno = 0;
  if (glfs_readdirplus_r(folder.fd, st, entry, &found) != 0) {
    const int err = errno;
    Fail(err);
    return false;
  }
  if (!found) result_.candidate = 1;
  return found != nullptr;
}

bool ListJob::IsShown(const OpenFile& folder, const char* name, struct stat* st) {
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  const bool at_root = folder.folder->gfid() == volume_.root()->gfid();
  if (IsReserved(name, at_root)) return false;
  // A brick that could not stat an entry sends zeros, as does a replica that needs healing. libgfapi then
  // looks the name up, and says nothing if that fails too (glfd_entry_refresh).
  if (st->st_ctim.tv_sec != 0 && st->st_mode != 0) return true;
  glfs_object_t* object = glfs_h_lookupat(volume_.fs(), folder.folder->object(), name, st, 0);
  if (!object) return false;  // removed meanwhile, or not to be had for any request
  glfs_h_close(object);
  return true;
}

void ProbeJob::Execute() {
  struct statvfs unused;
  errno = 0;
  if (glfs_statvfs(volume_.fs(), "/", &unused) != 0) Fail(errno);
  volume_.LookUpRoot();
}

void LayoutJob::Execute() { volume_.LookUpRoot(); }

}  // namespace gfserve
