// What the bricks say of changes that another client makes, a mount of the volume, and how soon; what the
// addon says of objects that it gives up; and that a volume can end meanwhile.
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "spy.h"

namespace gfserve::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// They come within milliseconds; the rest is for busy machines.
constexpr milliseconds kSlack{2000};
// For what must not come, and for what comes late, such as that of the second replica.
constexpr milliseconds kQuiet{150};

Place place;

// Volumes that have been told to close: each takes some ten seconds, so all are waited for together.
std::vector<std::pair<std::unique_ptr<Client>, std::unique_ptr<Gate>>> closing;

void StartClosing(std::unique_ptr<Client> client) {
  auto closed = std::make_unique<Gate>();
  client->volume().Close([gate = closed.get()] { gate->Open(); });
  closing.emplace_back(std::move(client), std::move(closed));
}

std::unique_ptr<Client> Connected(VolumeSpec spec) {
  auto client = std::make_unique<Client>(std::move(spec));
  client->MustConnect();
  return client;
}

std::string Mount(const std::string& path) { return place.mount + "/events/" + path; }

// The inode number of a mount is the gfid's last half (gfid_to_ino of libglusterfs).
uint64_t InoOf(const Gfid& gfid) {
  uint64_t ino = 0;
  for (size_t i = 8; i < gfid.size(); ++i) ino = ino << 8 | gfid[i];
  return ino;
}

uint64_t InoOf(const std::string& path) {
  struct stat st;
  MUST(lstat(path.c_str(), &st));
  return st.st_ino;
}

struct Heard {
  uint64_t ino;
  uint32_t kind;
  bool operator<(const Heard& other) const {
    return std::make_pair(ino, kind) < std::make_pair(other.ino, other.kind);
  }
};

class Ear {
 public:
  explicit Ear(Client& client) : client_(client) {}

  // Forgets what has been heard, and what is still on its way.
  void Settle() {
    Listen(Clock::now() + kQuiet, [] { return false; });
    heard_.clear();
    since_ = Clock::now();
  }

  bool Hears(uint64_t ino, uint32_t kind = Notice::kChanged) {
    return Listen(Clock::now() + kSlack, [&] { return heard_.count({ino, kind}) != 0; });
  }

  // Milliseconds from Settle to the first time, or -1.
  double At(uint64_t ino, uint32_t kind = Notice::kChanged) const {
    const auto found = heard_.find({ino, kind});
    return found == heard_.end() ? -1 : found->second;
  }

  size_t size() const { return heard_.size(); }

  // Milliseconds since Settle.
  double Now() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - since_).count();
  }

  // Until `done` or the end.
  bool Listen(Clock::time_point end, const std::function<bool()>& done) {
    for (;;) {
      std::vector<Notice> batch;
      client_.shared()->notices->Take(batch);
      const double time = Now();
      for (const Notice& notice : batch) {
        CHECK(notice.kind == Notice::kLost || notice.volume == Client::kNumber);
        heard_.emplace(Heard{InoOf(notice.gfid), notice.kind}, time);
      }
      if (done()) return true;
      if (Clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

 private:
  Client& client_;
  std::map<Heard, double> heard_;
  Clock::time_point since_ = Clock::now();
};

struct Change {
  const char* what;
  std::function<void()> prepare;
  std::vector<std::string> known;    // paths that the client has found before
  std::function<void()> change;
  std::vector<std::string> told;     // of these, as they are called before the change, it must hear
  std::vector<std::string> untold;   // of these it does not, on GlusterFS 10.3
};

std::vector<Change> Changes() {
  const auto write = [](const char* name) { return [name] { WriteFile(Mount(name), "content"); }; };
  const auto move = [](const char* from, const char* to) {
    MUST(rename(Mount(from).c_str(), Mount(to).c_str()));
  };
  return {
      {"overwrite", write("a"), {"a"}, [] { WriteFile(Mount("a"), "CONTENT", 0); }, {"a"}, {}},
      {"append", write("a"), {"a"}, [] { WriteFile(Mount("a"), "more", 0, 7); }, {"a"}, {}},
      {"truncate", write("a"), {"a"}, [] { MUST(truncate(Mount("a").c_str(), 3)); }, {"a"}, {}},
      {"chmod", write("a"), {"a"}, [] { MUST(chmod(Mount("a").c_str(), 0600)); }, {"a"}, {}},
      {"utimes", write("a"), {"a"}, [] {
         const struct timeval times[2] = {{1000, 0}, {1000, 0}};
         MUST(utimes(Mount("a").c_str(), times));
       }, {"a"}, {}},
      {"unlink", write("b"), {"b"}, [] { MUST(unlink(Mount("b").c_str())); }, {"b", ""}, {}},
      {"create", {}, {""}, write("c"), {""}, {}},
      {"mkdir", {}, {""}, [] { MakeDir(Mount("made")); }, {""}, {}},
      {"symlink", {}, {""}, [] { MakeLink("c", Mount("linked")); }, {""}, {}},
      {"hard link", write("d"), {"d"}, [] { MUST(link(Mount("d").c_str(), Mount("d2").c_str())); },
       {"d", ""}, {}},
      {"rename", write("e"), {"e"}, [move] { move("e", "e2"); }, {"e", ""}, {}},
      {"rename into another known folder", [] { WriteFile(Mount("f"), "f"); MakeDir(Mount("to")); },
       {"f", "to/"}, [move] { move("f", "to/f"); }, {"f", "", "to"}, {}},
      {"rename into an unknown folder", [] { WriteFile(Mount("g"), "g"); MakeDir(Mount("unknown")); },
       {"g"}, [move] { move("g", "unknown/g"); }, {}, {"g", ""}},
      {"rename over", [] { WriteFile(Mount("h"), "h"); WriteFile(Mount("h.new"), "new"); }, {"h"},
       [move] { move("h.new", "h"); }, {"h"}, {""}},
      {"rename over, the new one known", [] { WriteFile(Mount("i"), "i"); WriteFile(Mount("i.new"), "new"); },
       {"i", "i.new"}, [move] { move("i.new", "i"); }, {"i", "i.new", ""}, {}},
      // Their inodes live on, on the bricks: until the file is closed, or for good.
      {"rename over an open file", [] { WriteFile(Mount("large"), std::string(600'000, 'l')); WriteFile(Mount("large.new"), "new"); },
       {"large"}, [move] { move("large.new", "large"); }, {}, {"large", ""}},
      {"rename over one of two hard links", [] {
         WriteFile(Mount("q"), "q");
         MUST(link(Mount("q").c_str(), Mount("q2").c_str()));
         WriteFile(Mount("q.new"), "new");
       }, {"q"}, [move] { move("q.new", "q"); }, {}, {"q", ""}},
      {"rename to a name that is missing", [] { WriteFile(Mount("j.new"), "new"); }, {""},
       [move] { move("j.new", "j"); }, {}, {""}},
      {"create in a folder, and rename over", write("k"), {"k"},
       [] { ReplaceFile(Mount("k"), "new"); }, {"k", ""}, {}},
      {"retarget a link", [] { MakeLink("a", Mount("l")); MakeLink("c", Mount("l.new")); }, {"l"},
       [move] { move("l.new", "l"); }, {"l"}, {""}},
      {"rename a folder", [] { MakeDir(Mount("m")); WriteFile(Mount("m/file"), "m"); }, {"m/file"},
       [move] { move("m", "m2"); }, {"m", ""}, {"m/file"}},
      {"chmod of a folder", [] { MakeDir(Mount("n")); }, {"n/"},
       [] { MUST(chmod(Mount("n").c_str(), 0700)); }, {"n"}, {}},
      {"rmdir", [] { MakeDir(Mount("o")); }, {"o/"}, [] { MUST(rmdir(Mount("o").c_str())); },
       {"o", ""}, {}},
      {"read", write("p"), {"p"}, [] {
         char byte;
         const int fd = open(Mount("p").c_str(), O_RDONLY);
         MUST(fd);
         MUST(read(fd, &byte, 1));
         MUST(close(fd));
       }, {}, {"p", ""}},
  };
}

void EachChange() {
  std::unique_ptr<Client> owner = Connected(place.Spec());
  Client& client = *owner;
  const auto root = MakeRoot("/events", SymlinkPolicy::kInside);
  Ear ear(client);
  std::printf("\n");
  for (const Change& one : Changes()) {
    if (one.prepare) one.prepare();
    std::vector<uint32_t> files;
    for (const std::string& path : one.known) {
      const Completion found = Get(client, root, path).completion;
      CHECK(found.status == Status::kOk);
      if (found.file_id != 0) files.push_back(found.file_id);
    }
    std::map<std::string, uint64_t> inos;
    for (const auto& paths : {one.told, one.untold}) {
      for (const std::string& path : paths) inos[path] = InoOf(Mount(path));
    }
    ear.Settle();
    one.change();
    const double took = ear.Now();
    std::string line;
    for (const std::string& path : one.told) {
      if (!ear.Hears(inos[path])) {
        Fail(__FILE__, __LINE__, std::string(one.what) + ": nothing of '" + path + "'");
      }
      char text[100];
      std::snprintf(text, sizeof(text), " '%s' after %.1f ms,", path.c_str(), ear.At(inos[path]));
      line += text;
    }
    ear.Listen(Clock::now() + kQuiet, [] { return false; });
    for (const std::string& path : one.untold) {
      line += " '" + path + "' " + (ear.At(inos[path]) < 0 ? "never," : "after all,");
    }
    std::printf("  %s, which took %.1f ms:%s %zu in all\n", one.what, took, line.c_str(), ear.size());
    if (files.empty()) continue;
    // The bricks forget the inode of a file that has no name any more when the last one closes it.
    for (const uint32_t file : files) client.Release(file);
    CHECK(ear.Hears(inos[one.known[0]]));
  }
  CHECK_EQ(client.blocks().stats().in_use, 0u);
  StartClosing(std::move(owner));
}

// More folders than handles: the names that are given up are told of, before their folders can change
// unheard, and before the job's result.
void Evictions() {
  VolumeSpec spec = place.Spec();
  spec.handle_capacity = 4;
  std::unique_ptr<Client> owner = Connected(std::move(spec));
  Client& client = *owner;
  const auto root = MakeRoot("/events", SymlinkPolicy::kInside);
  MakeDir(Mount("many"));
  std::vector<uint64_t> inos;
  for (int i = 0; i < 6; ++i) {
    const std::string path = "many/" + std::to_string(i);
    WriteFile(Mount(path), path);
    inos.push_back(InoOf(Mount(path)));
  }
  Ear ear(client);
  ear.Settle();
  const auto unwatched = [&](int i) { return ear.At(inos[static_cast<size_t>(i)], Notice::kUnwatched) >= 0; };
  const auto now = [&] { ear.Listen(Clock::now(), [] { return true; }); };
  // "events", "many" and two files are held.
  for (int i = 0; i < 6; ++i) {
    Get(client, root, "many/" + std::to_string(i));
    now();
    for (int file = 0; file < 6; ++file) CHECK_EQ(unwatched(file), file <= i - 2);
  }
  CHECK_EQ(ear.size(), 4u);
  // What is gone is not held any more, but not for want of room.
  MUST(unlink(Mount("many/5").c_str()));
  CHECK(ear.Hears(inos[5]));
  CHECK(Get(client, root, "many/5").completion.status == Status::kNotFound);
  now();
  CHECK(!unwatched(5));
  StartClosing(std::move(owner));
}

// More than anybody has taken becomes one notice.
void Overflow() {
  std::unique_ptr<Client> owner = Connected(place.Spec());
  Client& client = *owner;
  Gfid gfid{};
  for (uint32_t i = 0; i <= NoticeQueue::kCapacity; ++i) {
    std::memcpy(gfid.data(), &i, sizeof(i));
    client.volume().Tell(Notice::kChanged, gfid);
  }
  std::vector<Notice> batch;
  client.shared()->notices->Take(batch);
  CHECK_EQ(batch.size(), 1u);
  CHECK_EQ(batch[0].kind, static_cast<uint32_t>(Notice::kLost));
  // It goes on.
  Ear ear(client);
  const auto root = MakeRoot("/events", SymlinkPolicy::kInside);
  WriteFile(Mount("after"), "after");
  Get(client, root, "after");
  ear.Settle();
  WriteFile(Mount("after"), "AFTER", 0);
  CHECK(ear.Hears(InoOf(Mount("after"))));
  StartClosing(std::move(owner));
}

// A folder that was seen lately is looked up anew once its change has been heard of: otherwise the next
// answer would be an old one of which nothing more is told.
void TrustEnds() {
  std::unique_ptr<Client> owner = Connected(place.Spec());
  Client& client = *owner;
  const auto root = MakeRoot("/events", SymlinkPolicy::kInside);
  Ear ear(client);
  for (uint32_t generation = 1; generation <= 10; ++generation) {
    const std::string next = Mount("site." + std::to_string(generation));
    MakeDir(next);
    WriteFile(next + "/file", Content{1, generation, 100}.Bytes());
    if (generation > 1) {
      Get(client, root, "site/file");  // the folder is trusted now
      const uint64_t ino = InoOf(Mount("site"));
      ear.Settle();
      Get(client, root, "site/file");
      MUST(rename(Mount("site").c_str(), Mount("site.old." + std::to_string(generation)).c_str()));
      MUST(rename(next.c_str(), Mount("site").c_str()));
      CHECK(ear.Hears(ino));
    } else {
      MUST(rename(next.c_str(), Mount("site").c_str()));
    }
    const Answer answer = Get(client, root, "site/file");
    CHECK(answer.completion.status == Status::kOk);
    CHECK_EQ(Content::Of(answer.body.data()).generation, generation);
  }
  StartClosing(std::move(owner));
}

// Of a file with two names nothing is told when one of them is given to another file, made in a folder of which this
// client knows nothing. An answer is as old as it says, and no older than was allowed.
void Beliefs() {
  constexpr milliseconds kTrust{200};
  constexpr int kFiles = 12;
  std::unique_ptr<Client> owner = Connected(place.Spec());
  Client& client = *owner;
  const auto root = MakeRoot("/events/two", SymlinkPolicy::kInside);
  const std::string elsewhere = place.mount + "/elsewhere";
  MakeDir(Mount("two"));
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = std::to_string(i);
    WriteFile(Mount("two/" + name), "old");
    MUST(link(Mount("two/" + name).c_str(), Mount("two/" + name + "-too").c_str()));
    WriteFile(elsewhere + "/" + name, "newer");
  }
  std::this_thread::sleep_for(PathWalk::kBelieved + kQuiet);
  OpenOptions options;
  options.body = false;
  options.trust = kTrust;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = std::to_string(i);
    CHECK_EQ(Get(client, root, name, options).completion.st.st_size, 3);
    // Confirmed anew by some, believed by others.
    std::this_thread::sleep_for(milliseconds(40 * i));
    CHECK_EQ(Get(client, root, name, options).completion.st.st_size, 3);
    MUST(rename((elsewhere + "/" + name).c_str(), Mount("two/" + name).c_str()));
    const auto renamed = Clock::now();
    for (;;) {
      const auto asked = Clock::now();
      const Completion completion = Get(client, root, name, options).completion;
      CHECK(completion.status == Status::kOk);
      const milliseconds age{completion.age_ms};
      // That of a folder is of the moment when the walk came to it.
      CHECK(age <= kTrust + (Clock::now() - asked) + milliseconds(1));
      if (completion.st.st_size == 5) break;
      CHECK(asked - age <= renamed);
    }
  }
  StartClosing(std::move(owner));
}

// Nothing is told of these either. Whoever reads a file hears from the brick whether it has lost its name.
void Moves() {
  std::unique_ptr<Client> owner = Connected(place.Spec());
  Client& client = *owner;
  const auto root = MakeRoot("/events/moves", SymlinkPolicy::kInside);
  const std::string elsewhere = place.mount + "/elsewhere";
  MakeDir(Mount("moves"));
  for (const char* name : {"over", "away"}) WriteFile(Mount("moves/") + name, "old");
  MUST(link(Mount("moves/over").c_str(), Mount("moves/over-too").c_str()));
  WriteFile(elsewhere + "/over", "new");
  std::this_thread::sleep_for(kQuiet);
  for (const char* name : {"over", "away"}) CHECK_EQ(Get(client, root, name).body, "old");
  std::this_thread::sleep_for(PathWalk::kBelieved + kQuiet);
  MUST(rename((elsewhere + "/over").c_str(), Mount("moves/over").c_str()));
  MUST(rename(Mount("moves/away").c_str(), (elsewhere + "/away").c_str()));
  CHECK_EQ(Get(client, root, "over").body, "new");
  CHECK_EQ(Get(client, root, "over-too").body, "old");
  CHECK(Get(client, root, "away").completion.status == Status::kNotFound);
  StartClosing(std::move(owner));
}

// Volumes, and those who take their notices, that end while notices come.
void Endings() {
  const auto root = MakeRoot("/events", SymlinkPolicy::kInside);
  WriteFile(Mount("busy"), "busy");
  std::atomic<bool> end{false};
  // Few: libgfapi clears two megabytes for each (synctask_create), which takes TSan tens of milliseconds.
  std::thread writer([&] {
    for (uint32_t i = 0; !end; ++i) {
      WriteFile(Mount("busy"), std::to_string(i), 0);
      std::this_thread::sleep_for(milliseconds(200));
    }
  });
  for (int i = 0; i < 3; ++i) {
    std::unique_ptr<Client> client = Connected(place.Spec());
    std::vector<Notice> batch;
    for (int asked = 0; batch.empty(); ++asked) {
      CHECK(asked < 1000);
      const Answer answer = Get(*client, root, "busy");
      CHECK(answer.completion.status == Status::kOk || answer.completion.status == Status::kChanged);
      client->shared()->notices->Take(batch);
    }
    // One of them as when the environment goes first.
    if (i == 0) client->shared()->notices->Detach();
    StartClosing(std::move(client));
  }
  for (const auto& [client, closed] : closing) closed->Wait();
  end = true;
  writer.join();
  closing.clear();
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  place = Place::FromArguments(argc, argv);
  if (argc > 5) only = argv[5];
  MakeDir(place.mount + "/events");
  MakeDir(place.mount + "/elsewhere");
  Run("each change", EachChange);
  Run("handles that are given up", Evictions);
  Run("more notices than fit", Overflow);
  Run("folders that are trusted", TrustEnds);
  Run("names that are believed", Beliefs);
  Run("files that are moved", Moves);
  Run("volumes that end", Endings);  // also those of the others
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
}
