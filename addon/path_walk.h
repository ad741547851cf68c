// Resolves a path one component at a time, from the volume's root, under a symlink policy.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
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
  // In the folder before it in the chain; empty for the volume's root.
  std::string name;
  // See Held.
  std::chrono::steady_clock::time_point confirmed;
  uint32_t looks = 0;
};

struct WalkError {
  Status status = Status::kOk;
  int err = 0;  // errno of the gfapi call that failed, 0 when it was none
};

// Names that were looked up in a folder and not found.
class Absences {
 public:
  void Add(const Gfid& folder, std::string_view name) { names_.emplace_back(folder, name); }
  bool Has(const Gfid& folder, std::string_view name) const {
    return std::any_of(names_.begin(), names_.end(), [&](const auto& one) {
      return one.first == folder && one.second == name;
    });
  }

 private:
  std::vector<std::pair<Gfid, std::string>> names_;
};

// Used by one thread, for one request: it keeps the chain of folders from the volume's root.
class PathWalk {
 public:
  // A folder on the way is taken as it was seen at most `trust` before now, or since, unless the bricks
  // have said afterwards that it has changed. The last component is always looked up, but for a name
  // that `absent` says the folder does not have; there md-cache's word is taken if the bricks confirmed it at most
  // `belief` before now. `trail`, unless it is null, gets each folder and link
  // that is met, also on the way to nothing. `reads`: whoever walks will read the file that is found, if it has no more bytes
  // than that, and look at its stat after that, which shows whether it is still where it was.
  PathWalk(Volume& volume, std::chrono::milliseconds trust, std::chrono::milliseconds belief, Trail* trail, off_t reads,
           Absences absent = {})
      : volume_(volume),
        began_(std::chrono::steady_clock::now()),
        not_before_(began_ - trust),
        belief_(belief),
        trail_(trail),
        reads_(reads),
        absent_(std::move(absent)) {}

  // How old it may be where nobody says otherwise.
  static constexpr std::chrono::milliseconds kFolderFresh{1000};
  // For how long md-cache is believed at most of a name that the bricks have confirmed: as long as they had said nothing of its folder
  // then, between these two; and where little can be wrong with it, and it is not looked up often.
  static constexpr std::chrono::milliseconds kBelievedStirred{250};
  static constexpr std::chrono::milliseconds kBelieved{1000};
  static constexpr std::chrono::milliseconds kBelievedLonger{300'000};
  static constexpr uint32_t kFewLooks = 32;
  // In bytes: what is longer is read for long, and md-cache believes in it meanwhile.
  static constexpr off_t kSmall = 256 << 10;

  // How old the oldest look is that was trusted so far; zero when all were made by this walk.
  std::chrono::steady_clock::duration age() const { return age_; }
  // The same of the bricks' words in whose place md-cache's was taken.
  std::chrono::steady_clock::duration belief_age() const { return belief_age_; }

  // The names that were not found so far.
  const Absences& absences() const { return missed_; }

  // Finds `path` (bytes, '/'-separated, no dot segments) under `root`. A trailing slash, or no path,
  // demands a directory. Each component is looked up by name under its parent's held handle, so that
  // a renamed or replaced directory is noticed.
  // On ESTALE the caller should try once more, without remembered folders.
  WalkError Resolve(const Root& root, std::string_view path, Node* out);

 private:
  // Looks `name` up under `parent` and leaves it in the volume's cache. `may_trust`: a folder seen
  // lately need not be looked up.
  WalkError LookupChild(const Node& parent, const std::string& name, bool may_trust, Node* out);
  // The same without what is known of absent names.
  WalkError LookupPresent(const Node& parent, const std::string& name, bool may_trust, Node* out);
  // The same by libgfapi's word alone.
  WalkError Find(const Node& parent, const std::string& name, bool may_trust, Node* out);
  // Whether the name stands for that object, as the bricks say.
  enum class Confirmed { kYes, kOther, kMissing, kUnknown };
  Confirmed Confirm(const Node& parent, const std::string& name, const Node& node, bool is_doubted);
  // By where they have the object, mostly in one round trip. kMissing: that is not under this name, or cannot be told.
  Confirmed ConfirmByObject(const std::string& name, const Node& node);
  // By their listing of the folder.
  Confirmed ConfirmByFolder(const Node& parent, const std::string& name, const Gfid& gfid);
  // Whether md-cache has been believed for long enough. If not, it is once more.
  bool IsOverdue(const Node& parent, const Node& node);
  void Remember(const Node& parent, const std::string& name, const Node& node,
                std::chrono::steady_clock::time_point seen);
  // `last_counts`: the last component is one that must be looked up.
  WalkError Descend(std::string_view path, SymlinkPolicy policy, bool last_counts);
  WalkError Step(std::string name, SymlinkPolicy policy, bool may_trust,
                 std::vector<std::string>* pending);

  Volume& volume_;
  const std::chrono::steady_clock::time_point began_;
  const std::chrono::steady_clock::time_point not_before_;
  const std::chrono::steady_clock::duration belief_;
  std::chrono::steady_clock::duration age_{0};
  std::chrono::steady_clock::duration belief_age_{0};
  Trail* const trail_;
  const off_t reads_;
  const Absences absent_;
  Absences missed_;
  std::vector<Node> chain_;  // chain_[0] is the volume's root
  int links_ = 0;            // followed so far
};

}  // namespace gfserve
