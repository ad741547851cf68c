// The folders and links that a walk met.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "handle_cache.h"

namespace gfserve {

// Used by one thread. Each gfid is there once.
class Trail {
 public:
  static constexpr size_t kMost = 24;

  void Clear() {
    count_ = 0;
    too_many_ = false;
  }

  void Add(const Gfid& gfid) {
    if (std::find(begin(), end(), gfid) != end()) return;
    if (count_ == kMost) {
      too_many_ = true;
    } else {
      gfids_[count_++] = gfid;
    }
  }

  const Gfid* begin() const { return gfids_.data(); }
  const Gfid* end() const { return gfids_.data() + count_; }
  size_t size() const { return count_; }
  // There were more than fit: what there is says nothing.
  bool too_many() const { return too_many_; }

 private:
  std::array<Gfid, kMost> gfids_;  // of which count_ are set
  size_t count_ = 0;
  bool too_many_ = false;
};

}  // namespace gfserve
