// What comes of a version that is known already, and the trail: what was met on the way. On a volume without
// invalidations, where a change is seen by the next request.
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "spy.h"

namespace gfserve::test {
namespace {

Place place;
std::unique_ptr<Client> client;

std::string Mount(const std::string& path) { return place.mount + "/versions/" + path; }

OpenJob::Known KnownOf(const Completion& found) {
  return {found.candidate, found.gfid, found.st.st_size, found.st.st_mtim, found.st.st_ctim};
}

Answer Ask(const std::shared_ptr<const Root>& root, std::vector<std::string> candidates,
           const OpenOptions& options) {
  return Collect(*client, client->Wait(client->Open(root, std::move(candidates), options)));
}

void IsUnchanged(const Answer& answer) {
  CHECK(answer.completion.status == Status::kOk);
  CHECK(answer.completion.unchanged);
  CHECK(answer.completion.type == FileType::kRegular);
  CHECK_EQ(answer.completion.file_id, 0u);
  CHECK_EQ(answer.completion.length, 0u);
  CHECK(answer.body.empty());
}

void SetBack(const std::string& path, const struct stat& st) {
  const struct timespec times[2] = {st.st_atim, st.st_mtim};
  MUST(utimensat(AT_FDCWD, path.c_str(), times, 0));
}

// Small, large and empty: unchanged until something happens to it.
void KnownVersions() {
  const auto root = MakeRoot("/versions", SymlinkPolicy::kInside);
  const struct {
    const char* what;
    std::function<void(const std::string& path, uint32_t size)> change;
  } changes[] = {
      {"append", [](const std::string& path, uint32_t size) { WriteFile(path, "more", 0, size); }},
      {"mtime set back", [](const std::string& path, uint32_t size) {
         struct stat st;
         MUST(stat(path.c_str(), &st));
         WriteFile(path, std::string(std::max(size, 1u), 'x'), 0);
         SetBack(path, st);
       }},
      {"rename over", [](const std::string& path, uint32_t size) {
         ReplaceFile(path, std::string(std::max(size, 1u), 'y'));
       }},
  };
  for (const uint32_t size : {0u, 4000u, 600'000u}) {
    for (const auto& change : changes) {
      const std::string name = std::to_string(size) + change.what;
      WriteFile(Mount(name), std::string(size, 'o'));
      OpenOptions options;
      const Completion first = Ask(root, {name}, options).completion;
      CHECK(first.status == Status::kOk);
      CHECK(!first.unchanged);
      if (first.file_id != 0) client->Release(first.file_id);
      options.known = KnownOf(first);
      IsUnchanged(Ask(root, {name}, options));
      options.body = false;
      IsUnchanged(Ask(root, {name}, options));
      options.body = true;
      // The same file, but the caller knows it as another candidate; and the other way round.
      Answer other = Ask(root, {"missing", name}, options);
      CHECK(!other.completion.unchanged);
      CHECK_EQ(other.body.empty(), size == 0);
      if (other.completion.file_id != 0) client->Release(other.completion.file_id);
      options.known = KnownOf(other.completion);
      IsUnchanged(Ask(root, {"missing", name}, options));
      options.known->candidate = 0;

      change.change(Mount(name), size);
      const Answer next = Ask(root, {name}, options);
      CHECK(next.completion.status == Status::kOk);
      if (next.completion.unchanged || next.body.empty()) {
        Fail(__FILE__, __LINE__, name + ": is said to be unchanged");
      }
      if (next.completion.file_id != 0) client->Release(next.completion.file_id);
      options.known = KnownOf(next.completion);
      IsUnchanged(Ask(root, {name}, options));
      MUST(unlink(Mount(name).c_str()));
      CHECK(Ask(root, {name}, options).completion.status == Status::kNotFound);
      MakeDir(Mount(name));
      const Answer folder = Ask(root, {name}, options);
      CHECK(folder.completion.type == FileType::kDirectory);
      CHECK(!folder.completion.unchanged);
      CHECK(!folder.completion.trail);
    }
  }
}

// The stat that came with the name counts, and where it differs that of the object: each costs what it must.
void StatsAsked() {
  const auto root = MakeRoot("/versions", SymlinkPolicy::kInside);
  WriteFile(Mount("counted"), "counted");
  OpenOptions options;
  options.known = KnownOf(Ask(root, {"counted"}, options).completion);
  std::atomic<int> stats{0}, reads{0};
  spy::Hooks hooks;
  hooks.stat = [&] { return ++stats, 0; };
  hooks.anonymous_read = [&] { return ++reads, 0; };
  spy::Use(hooks);
  IsUnchanged(Ask(root, {"counted"}, options));
  CHECK_EQ(stats.load(), 0);
  options.known->ctime.tv_nsec ^= 1;
  CHECK_EQ(Ask(root, {"counted"}, options).body, std::string("counted"));
  CHECK(stats > 0);
  spy::Use({});
}

// gfid_to_ino of libglusterfs; the mount says the same.
uint64_t InoOf(const Gfid& gfid) {
  uint64_t ino = 0;
  for (size_t i = 8; i < gfid.size(); ++i) ino = ino << 8 | gfid[i];
  return ino;
}

void TrailIs(const Completion& found, const std::vector<std::string>& paths) {
  CHECK(found.trail != nullptr);
  CHECK(!found.trail->too_many());
  std::set<uint64_t> expected{1};  // the volume's root
  for (const std::string& path : paths) {
    struct stat st;
    MUST(lstat((place.mount + path).c_str(), &st));
    expected.insert(st.st_ino);
  }
  std::set<uint64_t> got;
  for (const Gfid& gfid : *found.trail) CHECK(got.insert(InoOf(gfid)).second);
  if (got != expected) {
    Fail(__FILE__, __LINE__,
         std::to_string(got.size()) + " in the trail, not those " + std::to_string(expected.size()));
  }
}

void Trails() {
  for (const char* folder : {"t", "t/a", "t/a/b", "t/other"}) MakeDir(Mount(folder));
  WriteFile(Mount("t/a/b/file"), "file");
  WriteFile(Mount("t/a/plain"), "plain");
  MakeLink("b/file", Mount("t/a/link"));
  MakeLink("../a/b", Mount("t/other/up"));
  MakeLink("nowhere/x", Mount("t/a/dead"));
  MakeLink("self", Mount("t/a/self"));
  const std::string v = "/versions", t = "/versions/t", a = "/versions/t/a";
  const auto root = MakeRoot("/versions/t", SymlinkPolicy::kInside);
  OpenOptions options;
  options.trail = true;
  const struct {
    std::vector<std::string> candidates;
    Status status;
    std::vector<std::string> trail;
  } cases[] = {
      {{"a/b/file"}, Status::kOk, {v, t, a, a + "/b"}},
      {{"a/plain"}, Status::kOk, {v, t, a}},
      {{"a/link"}, Status::kOk, {v, t, a, a + "/link", a + "/b"}},
      {{"other/up/file"}, Status::kOk, {v, t, t + "/other", t + "/other/up", a, a + "/b"}},
      // A folder that is found counts; also one that is no answer.
      {{"a/b/"}, Status::kOk, {v, t, a, a + "/b"}},
      {{"a/b", "a/plain"}, Status::kOk, {v, t, a, a + "/b"}},
      {{""}, Status::kOk, {v, t}},
      // All candidates that were tried, and none that were not.
      {{"other/no", "a/plain", "a/b/file"}, Status::kOk, {v, t, t + "/other", a}},
      {{"a/no", "other/no"}, Status::kNotFound, {v, t, a, t + "/other"}},
      {{"no/no/no"}, Status::kNotFound, {v, t}},
      {{"a/plain/x"}, Status::kNotFound, {v, t, a}},
      {{"a/dead"}, Status::kNotFound, {v, t, a, a + "/dead"}},
      {{"a/self"}, Status::kLoop, {v, t, a, a + "/self"}},
      {{"a/" + std::string(256, 'x')}, Status::kLoop, {v, t, a}},
  };
  for (const auto& one : cases) {
    for (const bool warm : {false, true}) {
      if (!warm) client->volume().handles().Clear();
      const Answer answer = Ask(root, one.candidates, options);
      if (answer.completion.status != one.status) Fail(__FILE__, __LINE__, one.candidates[0]);
      TrailIs(answer.completion, one.trail);
    }
  }
  // Of a mount whose folder is not there.
  const auto missing = MakeRoot("/versions/missing/x", SymlinkPolicy::kInside);
  const Answer answer = Ask(missing, {"file"}, options);
  CHECK(answer.completion.status == Status::kNotFound);
  TrailIs(answer.completion, {v});
}

// The first attempt goes by a folder that was seen lately and is another one now: what the second one meets
// is what counts.
void TrailOfTheLastAttempt() {
  const auto root = MakeRoot("/versions", SymlinkPolicy::kInside);
  OpenOptions options;
  options.trail = true;
  MakeDir(Mount("site"));
  WriteFile(Mount("site/file"), "old");
  CHECK_EQ(Ask(root, {"site/file"}, options).body, std::string("old"));
  MUST(unlink(Mount("site/file").c_str()));
  MUST(rename(Mount("site").c_str(), Mount("site.old").c_str()));
  MakeDir(Mount("site"));
  WriteFile(Mount("site/file"), "new");
  const Answer answer = Ask(root, {"site/file"}, options);
  CHECK_EQ(answer.body, std::string("new"));
  TrailIs(answer.completion, {"/versions", "/versions/site"});
}

void TooLongTrails() {
  std::string path;
  for (size_t i = 0; i < Trail::kMost; ++i) {
    path += path.empty() ? "deep" : "/d";
    MakeDir(Mount(path));
    WriteFile(Mount(path + "/file"), "file");
    OpenOptions options;
    options.trail = true;
    const auto root = MakeRoot("/versions", SymlinkPolicy::kInside);
    const Answer answer = Ask(root, {path + "/file"}, options);
    CHECK_EQ(answer.body, std::string("file"));
    // With the volume's root and /versions.
    CHECK_EQ(answer.completion.trail->too_many(), i + 3 > Trail::kMost);
    if (i + 3 <= Trail::kMost) CHECK_EQ(answer.completion.trail->size(), i + 3);
  }
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  place = Place::FromArguments(argc, argv);
  if (argc > 5) only = argv[5];
  MakeDir(place.mount + "/versions");
  client = std::make_unique<Client>(place.Spec());
  client->MustConnect();
  Run("known versions", KnownVersions);
  Run("stats that are asked for", StatsAsked);
  Run("trails", Trails);
  Run("a trail's last attempt", TrailOfTheLastAttempt);
  Run("trails that are too long", TooLongTrails);
  CHECK_EQ(client->blocks().stats().in_use, 0u);
  client->Close();
  client.reset();
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
}
