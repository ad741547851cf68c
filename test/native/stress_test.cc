// Thousands of jobs of all kinds at once on a tree that churn.ts changes meanwhile. Every answer is
// whole and of one piece, every job is answered once, and in the end nothing is left. What was seen of each
// file is printed as lines `seen ID GENERATION MTIME` (nanoseconds), for comparison with what was written.
//
// The tree: /stress/d0 to d3, in each f0 to f9, with contents after content.h; file i of folder d has
// the id 10 d + i. Files f0 and f5 and the folder d3 are sometimes missing, all others never.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "spy.h"

namespace gfserve::test {
namespace {

using std::chrono::milliseconds;

constexpr size_t kInFlight = 32;
constexpr uint32_t kFolders = 4, kFiles = 10;

enum class Kind { kGet, kHead, kRead, kListing, kList };

struct Pending {
  Kind kind = Kind::kGet;
  uint32_t id = 0;        // of the file
  bool cancelled = false;
  bool waiting = false;   // for its one completion
  uint32_t file = 0;      // read, list
  uint32_t offset = 0;    // read, as the next
  uint32_t length = 0;
  Content content{};
};

class Stress {
 public:
  Stress(const Place& place, unsigned seed)
      : client_(place.Spec()), root_(MakeRoot("/stress", SymlinkPolicy::kInside)), random_(seed) {
    pending_.resize(Shared::kMaxJobs);
    client_.MustConnect();
  }

  void Work(milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      while (client_.in_flight() < kInFlight) SubmitSomething();
      Collect(milliseconds(100));
    }
  }

  // Ends with jobs queued and running, and with files open.
  void CloseInTheMiddle() {
    for (int i = 0; i < 200; ++i) SubmitSomething();
    closing_ = true;
    client_.volume().Close([this] { closed_.Open(); });
    const auto end = std::chrono::steady_clock::now() + milliseconds(60'000);
    while (client_.in_flight() > 0) {
      CHECK(std::chrono::steady_clock::now() < end);
      Collect(milliseconds(100));
    }
  }

  void WaitForTheEnd() {
    CHECK(closed_.WaitFor(milliseconds(90'000)));
    CHECK_EQ(client_.blocks().stats().in_use, 0u);
  }

  void Print() const {
    std::printf("\n ");
    for (const auto& [status, count] : statuses_) std::printf(" status %d: %ld", status, count);
    std::printf(", bodies: %ld, reads: %ld, entries: %ld\n", bodies_, reads_, entries_);
    for (const auto& [id, generation, mtime] : seen_) {
      std::printf("seen %u %u %lld\n", id, generation, static_cast<long long>(mtime));
    }
  }

  long Count(Status status) const {
    const auto found = statuses_.find(static_cast<int>(status));
    return found == statuses_.end() ? 0 : found->second;
  }

  long bodies() const { return bodies_; }
  long reads() const { return reads_; }
  long entries() const { return entries_; }

 private:
  uint32_t Random(uint32_t bound) { return static_cast<uint32_t>(random_()) % bound; }

  void Expect(uint32_t token, Pending pending) {
    CHECK(!pending_[token].waiting);
    pending.waiting = true;
    pending_[token] = pending;
  }

  void Remember(uint32_t token, Pending pending) {
    if (Random(30) == 0) {
      client_.Cancel(token);
      pending.cancelled = true;
    }
    Expect(token, pending);
  }

  void SubmitSomething() {
    Pending pending;
    pending.id = Random(kFolders * kFiles);
    const std::string folder = "d" + std::to_string(pending.id / kFiles);
    const std::string path = folder + "/f" + std::to_string(pending.id % kFiles);
    OpenOptions options;
    std::vector<std::string> candidates{path};
    const uint32_t what = Random(100);
    if (what < 10) {
      pending.kind = Kind::kHead;
      options.body = false;
    } else if (what < 15) {
      pending.kind = Kind::kListing;
      options.listing = true;
      candidates = {folder + "/"};
    } else if (what < 40) {
      candidates = {path + ".br", path + ".gz", path};
    }
    Remember(client_.Open(root_, std::move(candidates), options), pending);
  }

  void Collect(milliseconds time) {
    // Looking at one submits others, which get the tokens of those that are still to be looked at.
    std::vector<std::pair<Completion, Pending>> batch;
    for (const Completion& completion : client_.Take(time)) {
      CHECK(pending_[completion.token].waiting);
      pending_[completion.token].waiting = false;
      batch.emplace_back(completion, pending_[completion.token]);
    }
    for (const auto& [completion, pending] : batch) {
      ++statuses_[static_cast<int>(completion.status)];
      if (completion.status == Status::kOk) {
        Look(pending, completion);
      } else {
        CHECK(!completion.block);
        CHECK_EQ(completion.file_id, 0u);
        Excuse(pending, completion);
      }
      if (completion.block) client_.blocks().Release(completion.block);
    }
  }

  // Is this failure one that may happen?
  void Excuse(const Pending& pending, const Completion& completion) {
    const bool volatile_folder = pending.id / kFiles == 3;
    const bool volatile_file = pending.id % 5 == 0 && pending.kind != Kind::kListing;
    bool excused = false;
    switch (completion.status) {
      case Status::kCancelled:
        excused = pending.cancelled;
        break;
      case Status::kClosed:
        excused = closing_;
        break;
      case Status::kChanged:
        excused = pending.kind != Kind::kList && pending.kind != Kind::kListing;
        break;
      case Status::kNotFound:
        excused = volatile_folder || volatile_file;
        break;
      default:
        break;
    }
    if (!excused) {
      Fail(__FILE__, __LINE__,
           "file " + std::to_string(pending.id) + ": status " +
               std::to_string(static_cast<int>(completion.status)) + ", errno " +
               std::to_string(completion.err));
    }
    if (pending.file != 0) Done(pending.file);
  }

  void Look(const Pending& pending, const Completion& completion) {
    switch (pending.kind) {
      case Kind::kGet:
        LookAtBody(pending, completion);
        break;
      case Kind::kHead:
        CHECK(!completion.block);
        CHECK_EQ(completion.file_id, 0u);
        break;
      case Kind::kRead:
        ++reads_;
        CHECK_EQ(completion.length, pending.length);
        pending.content.Check(completion.block->data, pending.offset, pending.length);
        Done(pending.file);
        break;
      case Kind::kListing:
        CHECK(completion.type == FileType::kDirectory);
        uses_[completion.file_id] = 1;
        List(completion.file_id);
        break;
      case Kind::kList:
        LookAtEntries(completion);
        if (completion.candidate == 0 && !closing_) {
          List(pending.file);
        } else {
          Done(pending.file);
        }
        break;
    }
  }

  void LookAtBody(const Pending& pending, const Completion& completion) {
    ++bodies_;
    CHECK(completion.block);
    CHECK(completion.length >= Content::kHeader);
    const Content content = Content::Of(completion.block->data);
    CHECK_EQ(content.id, pending.id);
    CHECK_EQ(content.size, static_cast<uint32_t>(completion.st.st_size));
    content.Check(completion.block->data, 0, completion.length);
    const struct timespec& mtime = completion.st.st_mtim;
    seen_.emplace(content.id, content.generation, mtime.tv_sec * int64_t{1'000'000'000} + mtime.tv_nsec);
    if (completion.file_id == 0) {
      CHECK_EQ(completion.length, content.size);
      return;
    }
    const uint32_t count = closing_ ? 0 : Random(4);
    uses_[completion.file_id] = count + 1;
    for (uint32_t i = 0; i < count; ++i) {
      Pending read;
      read.kind = Kind::kRead;
      read.id = pending.id;
      read.file = completion.file_id;
      read.content = content;
      read.length = 1 + Random(std::min(content.size, uint32_t{1} << 20));
      read.offset = Random(content.size - read.length + 1);
      Remember(client_.Read(read.file, read.offset, read.length), read);
    }
    Done(completion.file_id);
  }

  // Its use of the folder is handed on from job to job.
  void List(uint32_t file) {
    if (closing_) return;
    Pending list;
    list.kind = Kind::kList;
    list.file = file;
    Expect(client_.List(file), list);
  }

  void LookAtEntries(const Completion& completion) {
    const uint8_t* at = completion.block->data;
    const uint8_t* const end = at + completion.length;
    while (at < end) {
      const size_t length = at[17];
      CHECK(at + 18 + length <= end);
      const std::string name(reinterpret_cast<const char*>(at) + 18, length);
      CHECK(name.size() >= 2 && name[0] == 'f' && name[1] >= '0' && name[1] <= '9');
      at += 18 + length;
      ++entries_;
    }
  }

  // One use of an open file less. Some are never released: the volume's end closes them.
  void Done(uint32_t file) {
    if (--uses_.at(file) > 0) return;
    uses_.erase(file);
    if (left_open_ < 20 && Random(10) == 0) {
      ++left_open_;
    } else {
      client_.Release(file);
    }
  }

  Client client_;
  const std::shared_ptr<const Root> root_;
  std::minstd_rand random_;
  std::vector<Pending> pending_;
  std::map<uint32_t, uint32_t> uses_;  // of open files
  std::map<int, long> statuses_;
  std::set<std::tuple<uint32_t, uint32_t, int64_t>> seen_;  // id, generation, mtime
  long bodies_ = 0, reads_ = 0, entries_ = 0;
  int left_open_ = 0;
  bool closing_ = false;
  Gate closed_;
};

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  const Place place = Place::FromArguments(argc, argv);
  CHECK(argc > 5);
  const milliseconds time{std::stoi(argv[5])};
  // Two volumes one after the other, so that one ends while the other one is at work.
  Stress first(place, 1), second(place, 2);
  Run("the first volume", [&] {
    first.Work(time / 4);
    first.CloseInTheMiddle();
  });
  Run("the second volume", [&] {
    second.Work(time * 3 / 4);
    second.CloseInTheMiddle();
  });
  Run("the end", [&] {
    first.WaitForTheEnd();
    second.WaitForTheEnd();
    first.Print();
    second.Print();
  });
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
  // Some of everything, also on a machine that has little time for it.
  CHECK(second.bodies() > 50);
  CHECK(second.reads() > 5);
  CHECK(second.entries() > 10);
  CHECK(second.Count(gfserve::Status::kCancelled) > 0);
  CHECK(second.Count(gfserve::Status::kClosed) > 0);
  CHECK(second.Count(gfserve::Status::kChanged) * 10 < second.bodies());
}
