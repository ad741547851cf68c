// One GlusterFS volume: a glfs_t, the threads that use it, and everything that must go before it.
#pragma once

#include <glusterfs/api/glfs-handles.h>
#include <glusterfs/api/glfs.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "block_pool.h"
#include "doubts.h"
#include "handle_cache.h"
#include "last_changes.h"
#include "notice_queue.h"
#include "status.h"
#include "thread_pool.h"

namespace gfserve {

// What a volume is made from. Everything has been validated by the caller.
struct VolumeSpec {
  struct Server {
    std::string transport;  // "tcp" or "unix"
    std::string host;       // a name or address, or the socket's path
    int port;               // 0 for unix
  };
  struct Option {
    std::string xlator, key, value;
  };
  std::string volname;
  std::vector<Server> servers;  // asked by libgfapi when there is neither volfile_text nor volfile
  std::string volfile;          // a path
  std::string volfile_text;     // used in its place
  std::vector<Option> options;
  std::string log_file;
  int log_level;             // GF_LOG_* of gfapi: 4 is error, 5 warning, 7 info
  size_t threads;            // 1 to 64
  size_t max_queue;          // jobs that may wait
  size_t handle_capacity;    // held glfs_object_t
};

// A glfs_object_t, closed with its last owner. Immutable, so any thread may use it. It must go
// before its volume's glfs_fini: everything that owns one is emptied in Volume::Finish.
class Handle {
 public:
  // Takes `object` over. For a symbolic link `link_target` is what it says: a link's target never
  // changes without a new gfid.
  Handle(glfs_object_t* object, const Gfid& gfid, std::string link_target)
      : object_(object), gfid_(gfid), link_target_(std::move(link_target)) {}
  ~Handle() { glfs_h_close(object_); }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  glfs_object_t* object() const { return object_; }
  const Gfid& gfid() const { return gfid_; }
  const std::string& link_target() const { return link_target_; }

 private:
  glfs_object_t* const object_;
  const Gfid gfid_;
  const std::string link_target_;
};

// Errors of an object whose name was found just now: it has been unlinked or replaced since, and what
// the name stands for must be looked up again.
inline bool IsGone(int err) { return err == ESTALE || err == ENOENT; }

inline bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// What a volume remembers of a name: the object it stood for, and its stat when that was last seen.
struct Held {
  using Time = std::chrono::steady_clock::time_point;

  Held(std::shared_ptr<Handle> handle, const struct stat& st, Time seen, Time confirmed)
      : handle(std::move(handle)), st(st), seen(seen), confirmed(confirmed) {}

  const std::shared_ptr<Handle> handle;
  const struct stat st;
  const Time seen;
  // When the bricks last said themselves that it is this object's name.
  const Time confirmed;
  // At a file, since then.
  mutable std::atomic<uint32_t> looks{0};
};

// An open file or directory stream. The volume's table owns it, and a job that uses it shares it,
// so it is closed (a round trip to the brick) by a pool thread or in Volume::Finish.
class OpenFile {
 public:
  // `folder`: for a directory stream, the directory's handle; for a file null.
  OpenFile(glfs_fd_t* fd, const struct stat& st, std::shared_ptr<Handle> folder = nullptr)
      : fd(fd), folder(std::move(folder)), size(st.st_size), mtime(st.st_mtim) {}
  ~OpenFile() { folder ? glfs_closedir(fd) : glfs_close(fd); }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  glfs_fd_t* const fd;
  const std::shared_ptr<Handle> folder;
  const off_t size;             // at open; a read that sees another size or mtime
  const struct timespec mtime;  // answers kChanged
  Gfid gfid{};                  // of a file, to open it again; set before it is shared
};

// Who the process is, as the bricks will see it: for checks that cached metadata can't skip.
struct Identity {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;

  static Identity OfProcess();
  // Do the mode bits let this identity do `want` (a mask of R_OK, X_OK)?
  bool Allows(const struct stat& st, int want) const;
};

struct ConnectResult {
  Status status;
  int err;         // errno of glfs_init; may be 0 even on failure
  uint32_t ms;     // how long it took
};

// Life: Create → Connect (once, on its own thread) → Submit … → Close (once) → the closer thread
// drains and ends it. The closer thread is the last owner; a thread stuck in gfapi keeps the closer
// waiting and so the volume allocated: leaked on purpose, for nothing can cancel such a call.
class Volume : public std::enable_shared_from_this<Volume> {
 public:
  struct Stats {
    ThreadPool::Stats pool;
    size_t handles;
    size_t open_files;
  };

  // `number` is the volume's in what it puts into `notices`.
  static std::shared_ptr<Volume> Create(VolumeSpec spec, std::shared_ptr<BlockPool> blocks,
                                        std::shared_ptr<NoticeQueue> notices, uint32_t number);

  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  // Starts connecting on a thread of its own and returns at once. `done` is called once, on that
  // thread. After a failure, or when Close came first, the volume never becomes usable.
  void Connect(std::function<void(const ConnectResult&)> done);

  // Ends the volume in the background: drops what waits, lets what runs finish, closes every
  // handle, glfs_fini. `closed` is called once at the end, on the closer's thread; never, if a
  // call hangs for ever. Loop thread only, once.
  void Close(std::function<void()> closed);

  // Where a task waits. kUrgent: past the queue's bound and ahead of what waits there. kAside: for a thread
  // that does nothing else, so that it may hang with any brick and takes no thread from requests.
  enum class Lane { kQueue, kUrgent, kAside };
  // kOk, kBusy or kClosed; the task is taken only on kOk. Loop thread only.
  Status Submit(std::unique_ptr<Task>& task, Lane lane);

  // For jobs, on pool threads; all valid as long as the job runs.
  glfs_t* fs() const { return fs_; }
  const std::shared_ptr<Handle>& root() const { return root_; }
  HandleCache<const Held>& handles() { return handles_; }
  Doubts& doubts() { return listener_->doubts; }
  // See PathWalk::Confirm.
  std::mutex& listing_turn() { return listing_turn_; }
  // md-cache may answer for a name that stands for something else by now.
  bool trusts_md_cache() const { return !without_md_cache_; }
  // Of names and rights.
  LastChanges& last_changes() { return listener_->last_changes; }
  // Of anything; of a folder, of what is in it too.
  LastChanges& last_words() { return listener_->last_words; }
  void Tell(Notice::Kind kind, const Gfid& gfid) { listener_->Tell(kind, gfid); }
  BlockPool& blocks() { return *blocks_; }
  const Identity& identity() const { return identity_; }
  // The distribute xlator learns from lookups of a folder which brick has which share of its names; of the
  // root's nobody else makes any. By an old share it finds what was left of a file that has moved.
  void LookUpRoot() const;
  uint32_t AddFile(std::shared_ptr<OpenFile> file);
  std::shared_ptr<OpenFile> FindFile(uint32_t id);
  std::shared_ptr<OpenFile> RemoveFile(uint32_t id);
  // Puts `file` in the place of what has that number; nothing when that was removed meanwhile.
  void ExchangeFile(uint32_t id, std::shared_ptr<OpenFile> file);

  // See ThreadPool::SetSpare. Loop thread only.
  void SetSpare(size_t spare);

  // Any thread.
  Stats stats(std::chrono::milliseconds stuck_after = std::chrono::milliseconds::max());

  // On pool threads: the layout that is in use now, as text; empty when libgfapi does not give it. It only ever changes
  // where libgfapi has asked a volfile server by itself.
  std::string Volfile() const;
  // Whether another layout came since the last call, or the first one: then what is held is looked up anew.
  bool NoticeVolfile(const std::string& volfile);
  // Whether md-cache would have to be set otherwise for this layout, which takes a new connection.
  bool NeedsReconnect(const std::string& volfile) const {
    return !volfile.empty() && TrustsStaleNames(volfile) && !without_md_cache_;
  }

 private:
  enum class State { kConnecting, kReady, kFailed, kClosed };

  // What hears the bricks. Shared with the callback, which may come as long as libgfapi's threads run.
  struct Listener {
    Listener(std::shared_ptr<NoticeQueue> notices, uint32_t number)
        : notices(std::move(notices)), number(number) {}

    void Tell(Notice::Kind kind, const Gfid& gfid) { notices->Push({number, kind, gfid}); }
    // Something has changed at that object.
    void TellChanged(const Gfid& gfid) {
      // Before anybody who is told can ask again.
      last_words.Add(gfid);
      Tell(Notice::kChanged, gfid);
    }
    void Hear(glfs_upcall_inode_t* event);

    const std::shared_ptr<NoticeQueue> notices;
    const uint32_t number;
    Doubts doubts;
    LastChanges last_changes;
    LastChanges last_words;
    bool without_md_cache = false;  // constant once it is registered
  };

  // Who listens, by a number that goes through libgfapi: a callback that is under way while a volume ends
  // finds nobody.
  static std::mutex listeners_mutex_;
  static std::unordered_map<uintptr_t, std::weak_ptr<Listener>> listeners_;  // guarded by listeners_mutex_
  static uintptr_t last_listener_;                                           // guarded by listeners_mutex_

  Volume(VolumeSpec spec, std::shared_ptr<BlockPool> blocks, std::shared_ptr<NoticeQueue> notices,
         uint32_t number);

  ConnectResult Init();
  // 0, or an errno, or kNoErrno.
  int OpenFs(bool without_md_cache);
  int OpenRoot();
  void ListenToBricks();
  static void OnUpcall(glfs_upcall_t* event, void* data);
  static bool TrustsStaleNames(const std::string& volfile);
  // Lets what runs finish, drops what waits.
  void EndThreads();
  void Finish();

  const VolumeSpec spec_;
  const std::shared_ptr<BlockPool> blocks_;
  const Identity identity_;
  HandleCache<const Held> handles_;
  std::mutex listing_turn_;

  // Written by the connecting thread before state_ becomes kReady, constant after.
  glfs_t* fs_ = nullptr;
  std::chrono::steady_clock::time_point opened_;  // when glfs_init returned
  std::shared_ptr<Handle> root_;
  std::unique_ptr<ThreadPool> pool_;
  std::string layout_;  // what was given to libgfapi; empty where it asks for it
  std::unique_ptr<ThreadPool> aside_;  // as constant once state_ is not kReady; null until it is needed
  bool without_md_cache_ = false;
  const std::shared_ptr<Listener> listener_;

  std::atomic<size_t> volfile_hash_{0};  // 0: none was seen yet

  std::mutex state_mutex_;
  State state_ = State::kConnecting;  // guarded by state_mutex_, as the next two
  bool ended_ = false;                // the connecting thread has ended a volume that is not used
  std::function<void()> closed_;      // set when Close came before that

  std::mutex files_mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<OpenFile>> files_;  // guarded by files_mutex_
  uint32_t next_file_ = 1;                                         // guarded by files_mutex_
};

}  // namespace gfserve
