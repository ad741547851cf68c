#include "path_walk.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>
#include <utility>

namespace gfserve {

namespace {

constexpr int kMaxLinks = 40;           // as Linux, path_resolution(7)
constexpr size_t kMaxName = 255;
constexpr size_t kMaxPending = 4096;    // components still to walk, links expanded

// Folders of GlusterFS itself, at the volume's root: never anybody's content.
constexpr std::array<std::string_view, 5> kReserved = {".glusterfs", ".meta", ".trashcan", ".shard",
                                                       ".landfill"};

// Appends the components of `path`, last one first, so that the next to walk is at the back.
void PushComponents(std::string_view path, std::vector<std::string>* pending) {
  size_t end = path.size();
  while (end > 0) {
    const size_t slash = path.rfind('/', end - 1);
    const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
    if (end > begin) pending->emplace_back(path.substr(begin, end - begin));
    if (slash == std::string_view::npos) break;
    end = slash;
  }
}

}  // namespace

bool IsReserved(std::string_view name, bool at_root) {
  if (name[0] != '.') return false;
  // With features.uss every folder has one, though no listing shows it.
  if (name == ".snaps") return true;
  return at_root && std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

WalkError PathWalk::LookupChild(const Node& parent, const std::string& name, bool may_trust,
                                Node* out) {
  if (absent_.Has(parent.handle->gfid(), name)) return {Status::kNotFound, ENOENT};
  WalkError error = LookupPresent(parent, name, may_trust, out);
  if (error.err == ENOENT) missed_.Add(parent.handle->gfid(), name);
  return error;
}

// A brick's word that an object was renamed makes md-cache forget it, but the next reply about the object
// brings back what was known, its old name included. So what was renamed lately is not believed by name. Nor
// is any name for long, as nothing is said of some changes: see "What md-cache gets wrong" in docs/architecture.md.
WalkError PathWalk::LookupPresent(const Node& parent, const std::string& name, bool may_trust,
                                  Node* out) {
  WalkError error = Find(parent, name, may_trust, out);
  if (error.status != Status::kOk) return error;
  const Gfid gfid = out->handle->gfid();
  const uint64_t doubt = volume_.doubts().Of(gfid);
  if (doubt == 0 && !IsOverdue(parent, *out)) return {};
  const auto now = std::chrono::steady_clock::now();
  switch (Confirm(parent, name, *out, doubt != 0)) {
    case Confirmed::kUnknown:
      return {};
    case Confirmed::kYes:
      if (doubt != 0) volume_.doubts().Settle(gfid, doubt);
      out->confirmed = now;
      Remember(parent, name, *out, now);
      return {};
    case Confirmed::kMissing:
      volume_.handles().Erase(parent.handle->gfid(), name);
      return {Status::kNotFound, ENOENT};
    case Confirmed::kOther:
      break;
  }
  // What has the name now is known to libgfapi from reading the folder, or asked for, as the object is gone.
  volume_.handles().Erase(parent.handle->gfid(), name);
  error = Find(parent, name, false, out);
  if (error.status == Status::kOk && out->handle->gfid() == gfid) return {Status::kChanged, 0};
  return error;
}

bool PathWalk::IsOverdue(const Node& parent, const Node& node) {
  if (!volume_.trusts_md_cache()) return false;
  using std::chrono::steady_clock;
  // What is written beside a file and renamed over it is told of as it is made in the folder, but no word need come of the rename.
  const steady_clock::duration quiet = node.confirmed - volume_.last_words().Of(parent.handle->gfid());
  const steady_clock::duration believed = std::clamp<steady_clock::duration>(quiet, kBelievedStirred, kBelieved);
  // Reading a file shows whether it is gone, as it is when it has lost its only name; and the stat after that, whether it has got or
  // lost others, or was moved (OpenJob::ReadWhole). What is read often is asked for all the same.
  const bool is_safe = S_ISREG(node.st.st_mode) && node.st.st_size > 0 && node.st.st_size <= std::min(reads_, kSmall) &&
                       node.looks < kFewLooks;
  if (is_safe) return node.confirmed < began_ - kBelievedLonger;
  const steady_clock::duration age = began_ - node.confirmed;
  if (age > std::min(believed, belief_)) return true;
  belief_age_ = std::max(belief_age_, age);
  return false;
}

// Reading a folder takes as long as the folder is. So without a doubt it is done by one thread of a volume at a time; what others have
// to ask meanwhile they ask again.
PathWalk::Confirmed PathWalk::Confirm(const Node& parent, const std::string& name, const Node& node, bool is_doubted) {
  const Confirmed confirmed = ConfirmByObject(name, node);
  if (confirmed == Confirmed::kYes || confirmed == Confirmed::kOther) return confirmed;
  std::unique_lock<std::mutex> turn(volume_.listing_turn(), std::defer_lock);
  if (!is_doubted && (confirmed == Confirmed::kUnknown || !turn.try_lock())) return Confirmed::kUnknown;
  return ConfirmByFolder(parent, name, node.handle->gfid());
}

// A brick has the path of an object by its gfid (storage.gfid2path, which is on), and of a file all that it had: among several
// may be one that was overwritten meanwhile. There is none if they are as many as the file's links.
PathWalk::Confirmed PathWalk::ConfirmByObject(const std::string& name, const Node& node) {
  std::string path;
  for (const Node& above : chain_) {
    if (!above.name.empty()) path.append("/").append(above.name);
  }
  path.append("/").append(name);
  constexpr char kSeparator = ':';
  constexpr size_t kMostPaths = 16 * 1024;
  std::string paths(kMostPaths, '\0');
  errno = 0;
  const int length = glfs_h_getxattrs(volume_.fs(), node.handle->object(), "glusterfs.gfidtopath", paths.data(), paths.size());
  char byte;
  if (length < 0) {
    const int err = errno;
    // md-cache has heard it too.
    if (IsGone(err)) return Confirmed::kOther;
    // So it is without that option; and if the file has no name any more, while somebody has it open. A read does not find it then.
    const bool is_gone = err == ENODATA && S_ISREG(node.st.st_mode) &&
                         glfs_h_anonymous_read(volume_.fs(), node.handle->object(), &byte, 1, 0) < 0 && IsGone(errno);
    return is_gone ? Confirmed::kOther : Confirmed::kUnknown;
  }
  paths.resize(strnlen(paths.data(), std::min(paths.size(), static_cast<size_t>(length))));
  if (paths == path) return Confirmed::kYes;
  if (!S_ISREG(node.st.st_mode)) return Confirmed::kMissing;

  const std::string among = kSeparator + paths + kSeparator;
  if (among.find(kSeparator + path + kSeparator) == std::string::npos) return Confirmed::kMissing;
  // The reply to a read tells md-cache how many links there are now.
  struct stat st;
  if (glfs_h_anonymous_read(volume_.fs(), node.handle->object(), &byte, 1, 0) < 0 ||
      glfs_h_stat(volume_.fs(), node.handle->object(), &st) != 0) {
    return IsGone(errno) ? Confirmed::kOther : Confirmed::kUnknown;
  }
  const auto count = static_cast<nlink_t>(std::count(paths.begin(), paths.end(), kSeparator)) + 1;
  return count == st.st_nlink ? Confirmed::kYes : Confirmed::kMissing;
}

// Reads the folder's entries from the bricks until the name comes.
PathWalk::Confirmed PathWalk::ConfirmByFolder(const Node& parent, const std::string& name, const Gfid& gfid) {
  // gfid_to_ino of libglusterfs: the last eight bytes.
  uint64_t ino = 0;
  for (size_t i = 8; i < gfid.size(); ++i) ino = ino << 8 | gfid[i];
  glfs_fd_t* fd = glfs_h_opendir(volume_.fs(), parent.handle->object());
  if (!fd) return Confirmed::kUnknown;
  Confirmed result = Confirmed::kMissing;
  for (;;) {
    struct stat st = {};
    struct dirent entry;
    struct dirent* found = nullptr;
    if (glfs_readdirplus_r(fd, &st, &entry, &found) != 0) {
      result = Confirmed::kUnknown;
      break;
    }
    if (!found) break;
    if (name != found->d_name) continue;
    result = st.st_ino == ino ? Confirmed::kYes : Confirmed::kOther;
    if (st.st_ino == 0) result = Confirmed::kUnknown;
    break;
  }
  glfs_closedir(fd);
  return result;
}

WalkError PathWalk::Find(const Node& parent, const std::string& name, bool may_trust, Node* out) {
  std::shared_ptr<const Held> held = volume_.handles().Get(parent.handle->gfid(), name);
  const auto now = std::chrono::steady_clock::now();
  if (held && may_trust && S_ISDIR(held->st.st_mode) && held->seen > not_before_ &&
      volume_.last_changes().NoneSince(held->handle->gfid(), held->seen)) {
    if (held->seen < began_) age_ = std::max(age_, now - held->seen);
    out->handle = held->handle;
    out->st = held->st;
    // It has been looked at since, or is believed for no longer than that.
    out->confirmed = now;
    return {};
  }
  errno = 0;
  glfs_object_t* object =
      glfs_h_lookupat(volume_.fs(), parent.handle->object(), name.c_str(), &out->st, 0);
  if (!object) {
    const int err = errno;
    // After any other error the name may still stand for what is held, of which the bricks go on telling.
    if (err == ENOENT || err == ESTALE) volume_.handles().Erase(parent.handle->gfid(), name);
    return {StatusFromErrno(err), err};
  }
  Gfid gfid{};
  glfs_h_extract_handle(object, gfid.data(), static_cast<int>(gfid.size()));
  if (held && held->handle->gfid() == gfid) {
    glfs_h_close(object);
    out->handle = held->handle;
    // A link that was made or removed has changed that, as much else has.
    const bool same = S_ISDIR(out->st.st_mode) ||
                      (SameTime(out->st.st_ctim, held->st.st_ctim) && out->st.st_nlink == held->st.st_nlink);
    out->confirmed = same ? held->confirmed : std::chrono::steady_clock::time_point{};
    // A file's entry only keeps its handle held: it is not written again for each request.
    out->looks = held->looks.fetch_add(1, std::memory_order_relaxed);
    if (S_ISDIR(out->st.st_mode)) Remember(parent, name, *out, now);
    return {};
  }
  std::string target;
  if (S_ISLNK(out->st.st_mode)) {
    char buffer[PATH_MAX];
    errno = 0;
    const int length = glfs_h_readlink(volume_.fs(), object, buffer, sizeof(buffer));
    if (length < 0) {
      const int err = errno;
      glfs_h_close(object);
      return {StatusFromErrno(err), err};
    }
    target.assign(buffer, strnlen(buffer, static_cast<size_t>(length)));
  }
  out->handle = std::make_shared<Handle>(object, gfid, std::move(target));
  // Mostly it is the bricks that have said it: what is not held any more may be in md-cache still.
  out->confirmed = now;
  out->looks = 0;
  Remember(parent, name, *out, now);
  return {};
}

void PathWalk::Remember(const Node& parent, const std::string& name, const Node& node,
                        std::chrono::steady_clock::time_point seen) {
  const std::shared_ptr<const Held> evicted =
      volume_.handles().Put(parent.handle->gfid(), name,
                            std::make_shared<const Held>(node.handle, node.st, seen, node.confirmed));
  // libgfapi drops what bricks say of an object that nobody holds. Told before the handle is closed.
  if (evicted) volume_.Tell(Notice::kUnwatched, evicted->handle->gfid());
}

WalkError PathWalk::Resolve(const Root& root, std::string_view path, Node* out) {
  chain_.clear();
  links_ = 0;
  Node volume_root{volume_.root(), {}, {}, {}, 0};
  volume_root.st.st_mode = S_IFDIR | 0755;  // the bricks check the real one on every miss
  chain_.push_back(std::move(volume_root));
  if (trail_) trail_->Add(volume_.root()->gfid());

  std::string root_path;
  for (const auto& component : root.components) root_path.append("/").append(component);
  WalkError error = Descend(root_path, SymlinkPolicy::kFollow, false);
  if (error.status != Status::kOk) return error;
  const size_t root_depth = chain_.size();
  const Gfid root_gfid = chain_.back().handle->gfid();

  error = Descend(path, root.policy, true);
  if (error.status != Status::kOk) return error;
  if (root.policy == SymlinkPolicy::kInside && links_ > 0 &&
      (chain_.size() < root_depth || chain_[root_depth - 1].handle->gfid() != root_gfid)) {
    return {Status::kForbidden, 0};
  }
  const Node& found = chain_.back();
  if ((path.empty() || path.back() == '/') && !S_ISDIR(found.st.st_mode)) {
    return {Status::kNotFound, ENOTDIR};
  }
  *out = found;
  return {};
}

// Walks `path` from the end of the chain.
WalkError PathWalk::Descend(std::string_view path, SymlinkPolicy policy, bool last_counts) {
  std::vector<std::string> pending;
  PushComponents(path, &pending);
  while (!pending.empty()) {
    if (pending.size() > kMaxPending) return {Status::kLoop, ENAMETOOLONG};
    std::string name = std::move(pending.back());
    pending.pop_back();
    const bool may_trust = !(last_counts && pending.empty());
    WalkError error = Step(std::move(name), policy, may_trust, &pending);
    if (error.status != Status::kOk) return error;
  }
  return {};
}

WalkError PathWalk::Step(std::string name, SymlinkPolicy policy, bool may_trust,
                         std::vector<std::string>* pending) {
  if (name == ".") return {};
  if (name == "..") {  // only a link's target has these; above the root is the root
    if (chain_.size() > 1) chain_.pop_back();
    return {};
  }
  if (name.size() > kMaxName) return {Status::kLoop, ENAMETOOLONG};
  const Node& parent = chain_.back();
  if (!S_ISDIR(parent.st.st_mode)) return {Status::kNotFound, ENOTDIR};
  if (!volume_.identity().Allows(parent.st, X_OK) &&
      glfs_h_access(volume_.fs(), parent.handle->object(), X_OK) != 0) {
    return {Status::kForbidden, EACCES};
  }
  if (IsReserved(name, chain_.size() == 1)) return {Status::kNotFound, ENOENT};

  Node child;
  WalkError error = LookupChild(parent, name, may_trust, &child);
  if (error.status != Status::kOk) return error;
  if (trail_ && (S_ISDIR(child.st.st_mode) || S_ISLNK(child.st.st_mode))) {
    trail_->Add(child.handle->gfid());
  }
  if (!S_ISLNK(child.st.st_mode)) {
    child.name = std::move(name);
    chain_.push_back(std::move(child));
    return {};
  }
  if (policy == SymlinkPolicy::kDeny) return {Status::kForbidden, 0};
  if (++links_ > kMaxLinks) return {Status::kLoop, ELOOP};
  const std::string& target = child.handle->link_target();
  if (target.empty()) return {Status::kNotFound, ENOENT};
  if (target[0] == '/') chain_.resize(1);
  PushComponents(target, pending);
  return {};
}

}  // namespace gfserve
