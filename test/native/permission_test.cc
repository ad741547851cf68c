// What an ordinary user may read: the mode bits count although libgfapi's caches do not look at them.
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "spy.h"

namespace gfserve::test {
namespace {

constexpr uid_t kUser = 23456, kOther = 23457;
constexpr gid_t kGroup = 23458, kSecond = 23459, kForeign = 23460;

struct Thing {
  const char* name;
  uid_t user;
  gid_t group;
  mode_t mode;
  bool readable;
};

constexpr Thing kFiles[] = {
    {"everybodys", 0, 0, 0644, true},
    {"roots", 0, 0, 0600, false},
    {"own", kUser, kForeign, 0400, true},
    {"of the group", kOther, kGroup, 0640, true},
    {"of the second group", kOther, kSecond, 0640, true},
    {"of a foreign group", kOther, kForeign, 0640, false},
    {"closed to its owner", kUser, kForeign, 0044, false},
    {"closed to its group", kOther, kGroup, 0604, false},
    {"for running only", 0, 0, 0711, false},
};

// A readable folder is one whose listing may be read; what is inside needs only the x bit.
struct Folder {
  Thing thing;
  bool passable;
};

constexpr Folder kFolders[] = {
    {{"open", 0, 0, 0755, true}, true},
    {{"unlisted", 0, 0, 0711, false}, true},
    {{"shut", 0, 0, 0700, false}, false},
    {{"unpassable", 0, 0, 0744, false}, false},
    {{"own unlisted", kUser, kForeign, 0300, false}, true},
    {{"groups", kOther, kSecond, 0750, true}, true},
};

void Give(const std::string& path, const Thing& thing) {
  MUST(chown(path.c_str(), thing.user, thing.group));
  MUST(chmod(path.c_str(), thing.mode));
}

void MakeTree(const std::string& base) {
  MakeDir(base);
  for (const Thing& file : kFiles) {
    for (const char* size : {"small", "large"}) {
      const std::string path = base + "/" + size + " " + file.name;
      WriteFile(path, std::string(size[0] == 's' ? 100 : 300'000, 'x'));
      Give(path, file);
    }
  }
  for (const Folder& folder : kFolders) {
    const std::string path = base + "/" + folder.thing.name;
    MakeDir(path);
    WriteFile(path + "/file", "inside");
    Give(path, folder.thing);
  }
}

void BecomeUser() {
  const gid_t groups[] = {kSecond};
  MUST(setgroups(1, groups));
  MUST(setresgid(kGroup, kGroup, kGroup));
  MUST(setresuid(kUser, kUser, kUser));
}

// Stays root, to take a permission away later: made before there are threads.
class Superuser {
 public:
  Superuser(const std::string& path, mode_t mode) {
    int ends[2];
    MUST(pipe(ends));
    MUST(child_ = fork());
    if (child_ == 0) {
      char byte;
      close(ends[1]);
      const bool told = read(ends[0], &byte, 1) == 1;
      _exit(told && chmod(path.c_str(), mode) == 0 ? 0 : 1);
    }
    close(ends[0]);
    go_ = ends[1];
  }

  void Chmod() {
    int status = -1;
    CHECK_EQ(write(go_, "x", 1), 1);
    close(go_);
    CHECK_EQ(waitpid(child_, &status, 0), child_);
    CHECK_EQ(status, 0);
  }

 private:
  pid_t child_;
  int go_;
};

Status Open(Client& client, const std::string& path, bool body, bool listing) {
  static const auto root = MakeRoot("/permissions", SymlinkPolicy::kInside);
  OpenOptions options;
  options.body = body;
  options.listing = listing;
  const Answer answer = Get(client, root, path, options);
  if (answer.completion.file_id != 0) client.Release(answer.completion.file_id);
  return answer.completion.status;
}

void Expect(const std::string& what, Status found, bool allowed) {
  const Status expected = allowed ? Status::kOk : Status::kForbidden;
  if (found == expected) return;
  Fail(__FILE__, __LINE__, what + ": status " + std::to_string(static_cast<int>(found)));
}

// Twice: the second time libgfapi has everything in its caches.
void Check(Client& client) {
  for (int round = 0; round < 2; ++round) {
    for (const Thing& file : kFiles) {
      for (const std::string size : {"small ", "large "}) {
        const std::string name = size + file.name;
        Expect(name, Open(client, name, true, false), file.readable);
        Expect(name + " (HEAD)", Open(client, name, false, false), file.readable);
      }
    }
    for (const auto& [folder, passable] : kFolders) {
      const std::string name = folder.name;
      Expect(name, Open(client, name, true, false), true);  // that it is there is no secret
      Expect(name + " listed", Open(client, name, true, true), folder.readable && passable);
      Expect(name + "/file", Open(client, name + "/file", true, false), passable);
    }
  }
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  using gfserve::Status;
  const Place place = Place::FromArguments(argc, argv);
  const std::string base = place.mount + "/permissions";
  MakeTree(base);
  Superuser file(base + "/small everybodys", 0600), folder(base + "/open", 0700);
  BecomeUser();
  auto client = std::make_unique<Client>(place.Spec());
  client->MustConnect();
  CHECK_EQ(client->volume().identity().uid, kUser);
  Run("an ordinary user", [&] { Check(*client); });
  Run("a permission that is taken away", [&] {
    file.Chmod();
    Expect("a file", Open(*client, "small everybodys", true, false), false);
    folder.Chmod();
    // What is known of folders on the way is a second old at most.
    CHECK(Eventually([&] { return Open(*client, "open/file", true, false) == Status::kForbidden; }));
  });
  CHECK_EQ(client->blocks().stats().in_use, 0u);
  client->Close();
  client.reset();
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
}
