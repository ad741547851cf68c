// Resolves a path one component at a time, from the volume's root, under a symlink policy.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "trail.h"
#include "volume.h"

namespace gfserve {

enum class SymlinkPolicy : uint32_t {
  kDeny = 0,    // a link anywhere under the root is refused
  kInside = 1,  // the resolved file must lie under the root
  kFollow = 2,  // it may lie anywhere on the volume
};

// A folder of a volume that is served, and how links under it are treated. Immutable.
struct Root {
  std::vector<std::string> components;  // from the volume's root; links in it are always followed
  SymlinkPolicy policy;
};

// Is `name` one that GlusterFS keeps for itself in a folder, which may be the volume's root? Not empty.
bool IsReserved(std::string_view name, bool at_root);

struct Node {
  std::shared_ptr<Handle> handle;
  struct stat st;
};

struct WalkError {
  Status status = Status::kOk;
  int err = 0;  // errno of the gfapi call that failed, 0 when it was none
};

// Used by one thread, for one request: it keeps the chain of folders from the volume's root.
class PathWalk {
 public:
  // A folder on the way is taken as it was seen at most `trust` ago, unless the bricks have said since
  // that it has changed; zero: all are looked up. The last component always is. `trail`, unless it is
  // null, gets each folder and link that is met, also on the way to nothing.
  PathWalk(Volume& volume, std::chrono::milliseconds trust, Trail* trail)
      : volume_(volume), trust_(trust), trail_(trail) {}

  // How old it may be where nobody says otherwise.
  static constexpr std::chrono::milliseconds kFolderFresh{1000};

  // How old the oldest look is that was trusted so far.
  std::chrono::steady_clock::duration age() const { return age_; }

  // Finds `path` (bytes, '/'-separated, no dot segments) under `root`. A trailing slash, or no path,
  // demands a directory. Each component is looked up by name under its parent's held handle, so that
  // a renamed or replaced directory is noticed.
  // On ESTALE the caller should try once more, without remembered folders.
  WalkError Resolve(const Root& root, std::string_view path, Node* out);

 private:
  // Looks `name` up under `parent` and leaves it in the volume's cache. `may_trust`: a folder seen
  // lately need not be looked up.
  WalkError LookupChild(const Node& parent, const std::string& name, bool may_trust, Node* out);
  // The same by libgfapi's word alone.
  WalkError Find(const Node& parent, const std::string& name, bool may_trust, Node* out);
  // Whether the name stands for that object, as the bricks' own listing of the folder says.
  enum class Confirmed { kYes, kOther, kMissing, kUnknown };
  Confirmed Confirm(const Node& parent, const std::string& name, const Gfid& gfid);
  void Remember(const Node& parent, const std::string& name, const Node& node,
                std::chrono::steady_clock::time_point seen);
  // `last_counts`: the last component is one that must be looked up.
  WalkError Descend(std::string_view path, SymlinkPolicy policy, bool last_counts);
  WalkError Step(std::string name, SymlinkPolicy policy, bool may_trust,
                 std::vector<std::string>* pending);

  Volume& volume_;
  const std::chrono::milliseconds trust_;
  std::chrono::steady_clock::duration age_{0};
  Trail* const trail_;
  std::vector<Node> chain_;  // chain_[0] is the volume's root
  int links_ = 0;            // followed so far
};

}  // namespace gfserve
