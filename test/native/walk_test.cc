// What a path stands for: links and their policies, reserved and long names, candidates, types, sizes.
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "listing.h"
#include "spy.h"

namespace gfserve::test {
namespace {

constexpr uint32_t kInlineLimit = 256 << 10;
constexpr uint32_t kFirstChunk = 64 << 10;

Place place;
std::unique_ptr<Client> client;

std::string Mount(const std::string& path) { return place.mount + path; }

// Files here contain their own path.
void MakeNamed(const std::string& path) { WriteFile(Mount(path), path); }

const char* Name(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kNotFound:
      return "not found";
    case Status::kForbidden:
      return "forbidden";
    case Status::kLoop:
      return "loop";
    case Status::kNotRegular:
      return "not regular";
    default:
      return "another status";
  }
}

// What a request finds: the path that the file contains, "(folder)", "(empty)" or the status.
std::string Find(const std::shared_ptr<const Root>& root, const std::string& path) {
  const Answer answer = Get(*client, root, path);
  if (answer.completion.status != Status::kOk) return Name(answer.completion.status);
  if (answer.completion.type == FileType::kDirectory) return "(folder)";
  return answer.body.empty() ? "(empty)" : answer.body;
}

void Expect(const std::shared_ptr<const Root>& root,
            const std::vector<std::pair<std::string, std::string>>& cases) {
  for (const auto& [path, expected] : cases) {
    const std::string found = Find(root, path);
    if (found != expected) {
      Fail(__FILE__, __LINE__, "'" + path + "' finds " + found + ", not " + expected);
    }
  }
}

void MakeLinks() {
  MakeDir(Mount("/other"));
  MakeNamed("/other/secret");
  MakeDir(Mount("/site"));
  MakeDir(Mount("/site/sub"));
  MakeDir(Mount("/site/sub/deep"));
  MakeNamed("/site/sub/file");
  MakeNamed("/site/sub/deep/file");
  const std::pair<const char*, const char*> links[] = {
      {"rel", "sub/file"},          {"abs", "/site/sub/file"},       {"out", "../other/secret"},
      {"absout", "/other/secret"},  {"dangling", "nowhere"},         {"self", "self"},
      {"loop1", "loop2"},           {"loop2", "./loop1"},            {"folder", "sub"},
      {"slash", "sub/"},            {"up", ".."},                    {"volume", "/"},
      {"outin", "../site/sub/file"},{"above", "../../../site/sub/file"},
      {"dots", "./sub/../sub//./file"},                              {"reserved", "/.glusterfs"},
      {"meta", "/.meta/version"},   {"throughfile", "sub/file/x"},   {"longname", nullptr},
      {"sub/deep/back", "../../rel"},
      {"sub/deep/leave", "../../../other"},
  };
  const std::string long_target(256, 'x');
  for (const auto& [name, target] : links) {
    MakeLink(target ? target : long_target, Mount("/site/") + name);
  }
  // chain0 is a file; chainN takes N links to get there.
  MakeNamed("/site/chain0");
  for (int i = 1; i <= 41; ++i) {
    MakeLink("chain" + std::to_string(i - 1), Mount("/site/chain" + std::to_string(i)));
  }
  MakeLink("site", Mount("/rootlink"));
  MakeLink("/rootlink/sub", Mount("/deeplink"));
  MakeLink("missing", Mount("/deadroot"));
}

void FollowedLinks() {
  Expect(MakeRoot("/site", SymlinkPolicy::kFollow),
         {{"sub/file", "/site/sub/file"},
          {"rel", "/site/sub/file"},
          {"abs", "/site/sub/file"},
          {"out", "/other/secret"},
          {"absout", "/other/secret"},
          {"dangling", "not found"},
          {"self", "loop"},
          {"loop1", "loop"},
          {"folder", "(folder)"},
          {"folder/file", "/site/sub/file"},
          {"folder/deep/file", "/site/sub/deep/file"},
          {"slash/file", "/site/sub/file"},
          {"up/other/secret", "/other/secret"},
          {"volume/other/secret", "/other/secret"},
          {"outin", "/site/sub/file"},
          {"above", "/site/sub/file"},
          {"dots", "/site/sub/file"},
          {"reserved", "not found"},
          {"volume/.glusterfs/", "not found"},
          {"meta", "not found"},
          {"throughfile", "not found"},
          {"longname", "loop"},
          {"sub/deep/back", "/site/sub/file"},
          {"sub/deep/leave/secret", "/other/secret"},
          {"chain40", "/site/chain0"},
          {"chain41", "loop"},
          {"rel/", "not found"},
          {"folder/", "(folder)"},
          {"rel/x", "not found"}});
}

void InsideLinks() {
  Expect(MakeRoot("/site", SymlinkPolicy::kInside),
         {{"rel", "/site/sub/file"},
          {"abs", "/site/sub/file"},
          {"out", "forbidden"},
          {"absout", "forbidden"},
          {"dangling", "not found"},
          {"self", "loop"},
          {"folder/deep/file", "/site/sub/deep/file"},
          {"up", "forbidden"},
          {"up/other/secret", "forbidden"},
          {"up/site/sub/file", "/site/sub/file"},
          {"volume", "forbidden"},
          {"volume/site/rel", "/site/sub/file"},
          {"outin", "/site/sub/file"},
          {"above", "/site/sub/file"},
          {"sub/deep/back", "/site/sub/file"},
          {"sub/deep/leave/secret", "forbidden"},
          {"chain40", "/site/chain0"}});
  // A smaller root: what was inside is not any more.
  Expect(MakeRoot("/site/sub", SymlinkPolicy::kInside),
         {{"file", "/site/sub/file"}, {"deep/back", "/site/sub/file"}, {"deep/leave", "forbidden"}});
  // The volume itself is a root that nothing leaves.
  Expect(MakeRoot("/", SymlinkPolicy::kInside),
         {{"site/out", "/other/secret"}, {"site/above", "/site/sub/file"}, {"site/up", "(folder)"}});
}

void DeniedLinks() {
  std::vector<std::pair<std::string, std::string>> cases = {{"sub/file", "/site/sub/file"},
                                                            {"sub/deep/file", "/site/sub/deep/file"},
                                                            {"", "(folder)"}};
  for (const char* link : {"rel", "abs", "out", "dangling", "self", "folder", "folder/file", "up/x",
                           "sub/deep/back", "chain1"}) {
    cases.emplace_back(link, "forbidden");
  }
  Expect(MakeRoot("/site", SymlinkPolicy::kDeny), cases);
}

// Links on the way to the root are the administrator's: they are followed under every policy.
void RootsThatAreLinks() {
  for (const SymlinkPolicy policy :
       {SymlinkPolicy::kDeny, SymlinkPolicy::kInside, SymlinkPolicy::kFollow}) {
    const bool deny = policy == SymlinkPolicy::kDeny, follow = policy == SymlinkPolicy::kFollow;
    Expect(MakeRoot("/rootlink", policy), {{"sub/file", "/site/sub/file"},
                                           {"", "(folder)"},
                                           {"rel", deny ? "forbidden" : "/site/sub/file"},
                                           {"out", follow ? "/other/secret" : "forbidden"}});
    Expect(MakeRoot("/deeplink/deep", policy), {{"file", "/site/sub/deep/file"}});
    Expect(MakeRoot("/deadroot", policy), {{"file", "not found"}, {"", "not found"}});
    Expect(MakeRoot("/site/sub/file", policy), {{"", "not found"}, {"x", "not found"}});
    Expect(MakeRoot("/.meta", policy), {{"version", "not found"}});
    Expect(MakeRoot("//rootlink///sub/", policy), {{"file", "/site/sub/file"}});
  }
}

void Names() {
  const std::string longest(255, 'n'), bytes = "\x01 \xff\xfe\"%2e.\xc3(";
  MakeDir(Mount("/names"));
  for (const std::string& name : {longest, bytes, std::string("..."), std::string(".hidden")}) {
    MakeNamed("/names/" + name);
  }
  std::string deep = "/names";
  for (char letter = 'a'; letter <= 't'; ++letter) {
    MakeDir(Mount(deep += "/" + std::string(100, letter)));
  }
  WriteFile(Mount(deep + "/file"), "deep");
  MakeDir(Mount("/names/.glusterfs"));
  MakeNamed("/names/.glusterfs/file");
  MakeDir(Mount("/names/.snaps"));
  MakeNamed("/names/.snaps/file");
  const auto root = MakeRoot("/", SymlinkPolicy::kFollow);
  Expect(root, {{"names/" + longest, "/names/" + longest},
                {"names/" + longest + "x", "loop"},
                {longest + "x/file", "loop"},
                {"names/" + bytes, "/names/" + bytes},
                {"names/...", "/names/..."},
                {"names/.hidden", "/names/.hidden"},
                {deep.substr(1) + "/file", "deep"},
                {"names//" + longest, "/names/" + longest},
                {"nothing", "not found"},
                {"nothing/at/all", "not found"}});
  // Reserved at the volume's root, ordinary names below it; .snaps everywhere.
  Expect(root, {{"names/.glusterfs/file", "/names/.glusterfs/file"},
                {"names/.snaps/file", "not found"}});
  for (const char* name : {".glusterfs", ".meta", ".trashcan", ".shard", ".snaps", ".landfill"}) {
    Expect(root, {{name, "not found"}, {std::string(name) + "/", "not found"}});
    Expect(root, {{std::string(name) + "/version", "not found"}});
  }
}

void Candidates() {
  MakeDir(Mount("/cand"));
  MakeDir(Mount("/cand/app.js.br"));
  MakeNamed("/cand/app.js");
  MakeDir(Mount("/cand/index.html"));
  MakeLink("/other/secret", Mount("/cand/app.js.gz"));
  const auto root = MakeRoot("/cand", SymlinkPolicy::kInside);
  const struct {
    std::vector<std::string> candidates;
    Status status;
    uint32_t found;
  } cases[] = {
      {{"app.js"}, Status::kOk, 0},
      {{"missing", "app.js"}, Status::kOk, 1},
      {{"missing", "app.js/x", std::string(300, 'x'), "app.js", "index.html"}, Status::kOk, 3},
      {{"app.js.br", "app.js"}, Status::kOk, 1},         // a folder is no file
      {{"missing", "index.html"}, Status::kOk, 1},       // save as the last one
      {{"missing", "app.js.gz", "app.js"}, Status::kForbidden, 1},
      {{"missing", "gone"}, Status::kNotFound, 0},
      {{"app.js/"}, Status::kNotFound, 0},
      {{"", "app.js"}, Status::kOk, 1},
      {{"app.js", ""}, Status::kOk, 0},
  };
  for (const auto& one : cases) {
    const Answer answer = Collect(*client, client->Wait(client->Open(root, one.candidates)));
    CHECK(answer.completion.status == one.status);
    if (one.status == Status::kOk) CHECK_EQ(answer.completion.candidate, one.found);
  }
}

void Types() {
  MakeDir(Mount("/types"));
  MUST(mkfifo(Mount("/types/fifo").c_str(), 0644));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(fd);
  // Its path may be too long for sun_path; one relative to the folder is not.
  MUST(chdir(Mount("/types").c_str()));
  std::strcpy(address.sun_path, "socket");
  MUST(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  MUST(chdir("/"));
  MUST(close(fd));
  WriteFile(Mount("/types/empty"), "");
  const auto root = MakeRoot("/types", SymlinkPolicy::kDeny);
  Expect(root, {{"fifo", "not regular"},
                {"socket", "not regular"},
                {"empty", "(empty)"},
                {"", "(folder)"}});

  OpenOptions head;
  head.body = false;
  for (const char* path : {"empty", "", "../cand/app.js"}) {
    const Completion answer = client->Wait(client->Open(root, {path}, head));
    CHECK(!answer.block);
    CHECK_EQ(answer.file_id, 0u);
    CHECK_EQ(answer.length, 0u);
  }
}

// Every size goes the way it should, and every byte arrives once and in its place.
void Sizes() {
  MakeDir(Mount("/sizes"));
  const auto root = MakeRoot("/sizes", SymlinkPolicy::kDeny);
  const uint32_t sizes[] = {16,           17,           4096,       (64 << 10) - 1, 64 << 10,
                            (64 << 10) + 1, kInlineLimit - 1, kInlineLimit, kInlineLimit + 1, 9'876'543};
  uint32_t id = 100;
  for (const uint32_t size : sizes) {
    const Content content{++id, 1, size};
    const std::string name = std::to_string(size);
    WriteFile(Mount("/sizes/" + name), content.Bytes());
    for (int round = 0; round < 2; ++round) {
      const Answer answer = Get(*client, root, name);
      CHECK(answer.completion.status == Status::kOk);
      CHECK(answer.completion.type == FileType::kRegular);
      CHECK_EQ(answer.completion.st.st_size, static_cast<off_t>(size));
      const bool whole = size <= kInlineLimit;
      CHECK_EQ(answer.body.size(), whole ? size : kFirstChunk);
      CHECK_EQ(answer.completion.file_id == 0, whole);
      content.Check(answer.body.data(), 0, static_cast<uint32_t>(answer.body.size()));
      if (whole) continue;
      const uint32_t chunk = round == 0 ? 1 << 20 : 77'777;
      for (uint32_t offset = 0; offset < size; offset += chunk) {
        const uint32_t length = std::min(chunk, size - offset);
        const Answer part =
            Collect(*client, client->Wait(client->Read(answer.completion.file_id, offset, length)));
        CHECK(part.completion.status == Status::kOk);
        CHECK_EQ(part.body.size(), length);
        content.Check(part.body.data(), offset, length);
      }
      const Completion beyond = client->Wait(client->Read(answer.completion.file_id, size - 1, 2));
      CHECK(beyond.status == Status::kChanged);
      client->Release(answer.completion.file_id);
    }
  }
  WriteFile(Mount("/sizes/1"), "G");
  CHECK_EQ(Get(*client, root, "1").body, std::string("G"));
}

// Offsets and sizes that do not fit into 32 bits.
void Sparse() {
  MakeDir(Mount("/sparse"));
  const Content content{200, 1, 100'000};
  const off_t offsets[] = {0, (off_t{4} << 30) - 50'000, off_t{5} << 30};
  for (const off_t offset : offsets) {
    WriteFile(Mount("/sparse/file"), content.Bytes(), O_CREAT, offset);
  }
  const auto root = MakeRoot("/sparse", SymlinkPolicy::kDeny);
  const Answer answer = Get(*client, root, "file");
  CHECK(answer.completion.status == Status::kOk);
  CHECK_EQ(answer.completion.st.st_size, offsets[2] + 100'000);
  content.Check(answer.body.data(), 0, kFirstChunk);
  for (const off_t offset : offsets) {
    const uint32_t token =
        client->Read(answer.completion.file_id, static_cast<uint64_t>(offset), 100'000);
    const Answer part = Collect(*client, client->Wait(token));
    CHECK(part.completion.status == Status::kOk);
    content.Check(part.body.data(), 0, 100'000);
  }
  const Answer hole =
      Collect(*client, client->Wait(client->Read(answer.completion.file_id, 3ull << 30, 1 << 20)));
  CHECK(hole.body == std::string(1 << 20, '\0'));
  client->Release(answer.completion.file_id);
}

void Listings() {
  constexpr int kMany = 1200;
  MakeDir(Mount("/list"));
  MakeDir(Mount("/many"));
  MakeDir(Mount("/bare"));
  MakeDir(Mount("/list/folder"));
  WriteFile(Mount("/list/file"), std::string(1234, 'x'));
  WriteFile(Mount("/list/" + std::string(255, 'n')), "");
  MakeLink("file", Mount("/list/link"));
  // Names of many lengths, so that the blocks end anywhere.
  const auto name_of = [](int i) { return std::to_string(i) + std::string(200 + i % 52, 'm'); };
  for (int i = 0; i < kMany; ++i) {
    const std::string name = name_of(i);
    MUST(close(creat(Mount("/many/" + name).c_str(), 0644)));
  }
  int batches = 0;
  auto entries = List(*client, MakeRoot("/list", SymlinkPolicy::kDeny), &batches);
  CHECK_EQ(batches, 1);
  CHECK_EQ(entries.size(), 4u);
  CHECK(entries.at("folder").type == FileType::kDirectory);
  CHECK(entries.at("file").type == FileType::kRegular);
  CHECK(entries.at("link").type == FileType::kLink);
  CHECK_EQ(entries.at("file").size, 1234.0);
  struct stat st;
  MUST(stat(Mount("/list/file").c_str(), &st));
  CHECK_EQ(entries.at("file").mtime, static_cast<double>(st.st_mtime));
  CHECK_EQ(entries.count(std::string(255, 'n')), 1u);
  entries = List(*client, MakeRoot("/many", SymlinkPolicy::kDeny), &batches);
  CHECK_EQ(entries.size(), static_cast<size_t>(kMany));
  for (int i = 0; i < kMany; ++i) CHECK_EQ(entries.count(name_of(i)), 1u);
  CHECK(batches >= 2);
  CHECK(List(*client, MakeRoot("/bare", SymlinkPolicy::kDeny), &batches).empty());
}

void ListedNames() {
  int batches = 0;
  // Bricks refuse some of these names to clients.
  for (const char* name : {".trashcan", ".shard", ".landfill", ".snaps"}) {
    const int made = mkdir(Mount(std::string("/") + name).c_str(), 0755);
    CHECK(made == 0 || errno == EPERM || errno == EEXIST);
  }
  MUST(access(Mount("/.snaps").c_str(), F_OK));
  auto entries = List(*client, MakeRoot("/", SymlinkPolicy::kDeny), &batches);
  for (const char* name : {".", "..", ".glusterfs", ".trashcan", ".meta", ".shard", ".landfill", ".snaps"}) {
    CHECK_EQ(entries.count(name), 0u);
  }
  for (const char* name : {"names", "list", "rootlink"}) CHECK_EQ(entries.count(name), 1u);
  // Below the root only .snaps is GlusterFS' own.
  entries = List(*client, MakeRoot("/names", SymlinkPolicy::kDeny), &batches);
  CHECK_EQ(entries.count(".glusterfs"), 1u);
  CHECK_EQ(entries.count(".hidden"), 1u);
  CHECK_EQ(entries.count(".snaps"), 0u);
  entries = List(*client, MakeRoot("/types", SymlinkPolicy::kDeny), &batches);
  CHECK(entries.at("fifo").type == FileType::kOther);
  CHECK(entries.at("socket").type == FileType::kOther);
}

// What is renamed, made and removed meanwhile may be there or not; what stays is there, once.
void ListedUnderWay() {
  constexpr int kFiles = 3000;
  MakeDir(Mount("/busy"));
  const auto path_of = [](const char* kind, int i) {
    return Mount("/busy/") + kind + std::to_string(i) + std::string(150, 'b');
  };
  for (int i = 0; i < kFiles; ++i) MUST(close(creat(path_of(i % 3 ? "stays" : "goes", i).c_str(), 0644)));
  const auto root = MakeRoot("/busy", SymlinkPolicy::kDeny);
  const uint32_t folder = OpenFolder(*client, root);
  std::map<std::string, int> seen;
  for (int batch = 0, next = 0; batch < 1000; ++batch) {
    const Answer part = Collect(*client, client->Wait(client->List(folder)));
    CHECK(part.completion.status == Status::kOk);
    for (const Entry& entry : ParseEntries(part.body)) ++seen[entry.name];
    if (part.completion.candidate == 1) break;
    for (const int end = next + 600; next < end && next < kFiles; next += 3) {
      MUST(unlink(path_of("goes", next).c_str()));
      MUST(close(creat(path_of("comes", next).c_str(), 0644)));
    }
  }
  int stay = 0;
  for (const auto& [name, times] : seen) {
    if (name.rfind("stays", 0) != 0) continue;
    CHECK_EQ(times, 1);
    ++stay;
  }
  CHECK_EQ(stay, kFiles / 3 * 2);
  client->Release(folder);
}

void ListedAndRemoved() {
  MakeDir(Mount("/brief"));
  const auto root = MakeRoot("/brief", SymlinkPolicy::kDeny);
  const uint32_t folder = OpenFolder(*client, root);
  MUST(rmdir(Mount("/brief").c_str()));
  const Completion answer = client->Wait(client->List(folder));
  // The end, or an error: nothing that is not there.
  CHECK(answer.status != Status::kOk || (answer.candidate == 1 && answer.length == 0));
  if (answer.block) client->blocks().Release(answer.block);
  client->Release(folder);
  OpenOptions listing;
  listing.listing = true;
  CHECK(client->Wait(client->Open(root, {""}, listing)).status == Status::kNotFound);
}

void BadHandles() {
  const auto root = MakeRoot("/", SymlinkPolicy::kDeny);
  const uint32_t folder = OpenFolder(*client, MakeRoot("/list", SymlinkPolicy::kDeny));
  const Answer file = Get(*client, root, "sizes/9876543");
  const uint32_t id = file.completion.file_id;
  CHECK(folder != 0 && id != 0);
  CHECK(client->Wait(client->Read(folder, 0, 1)).status == Status::kBadHandle);
  CHECK(client->Wait(client->List(id)).status == Status::kBadHandle);
  client->Release(id);
  client->Release(id);  // a bug of the caller, and harmless
  CHECK(Eventually([] { return client->volume().stats().open_files == 1; }));
  CHECK(client->Wait(client->Read(id, 0, 1)).status == Status::kBadHandle);
  CHECK(client->Wait(client->Read(0, 0, 1)).status == Status::kBadHandle);
  client->Release(folder);
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  place = Place::FromArguments(argc, argv);
  client = std::make_unique<Client>(place.Spec());
  client->MustConnect();
  MakeLinks();
  Run("followed links", FollowedLinks);
  Run("links inside", InsideLinks);
  Run("denied links", DeniedLinks);
  Run("roots that are links", RootsThatAreLinks);
  Run("names", Names);
  Run("candidates", Candidates);
  Run("types", Types);
  Run("sizes", Sizes);
  Run("sparse", Sparse);
  Run("listings", Listings);
  Run("listed names", ListedNames);
  Run("listed under way", ListedUnderWay);
  Run("listed and removed", ListedAndRemoved);
  Run("bad handles", BadHandles);
  CHECK_EQ(client->blocks().stats().in_use, 0u);
  client->Close();
  client.reset();
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
}
