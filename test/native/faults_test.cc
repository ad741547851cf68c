// What each failure of libgfapi becomes, and that nothing is lost on the way: no block, no file.
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "content.h"
#include "spy.h"

namespace gfserve::test {
namespace {

constexpr Content kSmall{1, 1, 4096};   // read by its handle
constexpr Content kRecent{3, 1, 4096};  // written in the last seconds: read by a descriptor
constexpr Content kLarge{2, 1, 2'000'000};

Place place;
std::unique_ptr<Client> client;
std::shared_ptr<const Root> root;

// Sets a file's mtime so many seconds back.
void SetAge(const char* name, time_t seconds) {
  struct timespec times[2];
  MUST(clock_gettime(CLOCK_REALTIME, &times[0]));
  times[0].tv_sec -= seconds;
  times[1] = times[0];
  MUST(utimensat(AT_FDCWD, (place.mount + "/faults/" + name).c_str(), times, 0));
}

using Hook = std::function<int()> spy::Hooks::*;

// Fails the call with `err`, the first `times` times.
std::function<int()> Failing(int err, int times) {
  return [err, left = std::make_shared<std::atomic<int>>(times)] { return (*left)-- > 0 ? err : 0; };
}

void With(Hook hook, int err, int times) {
  spy::Hooks hooks;
  hooks.*hook = Failing(err, times);
  spy::Use(hooks);
}

// Opens and reads everything; kOk means that the content was right.
Completion ReadAll(const char* name, const Content& content) {
  const Answer first = Get(*client, root, name);
  if (first.completion.status != Status::kOk) {
    CHECK(!first.completion.block);
    CHECK_EQ(first.completion.file_id, 0u);
    return first.completion;
  }
  auto at = static_cast<uint32_t>(first.body.size());
  content.Check(first.body.data(), 0, at);
  if (first.completion.file_id == 0) {
    CHECK_EQ(at, content.size);
    return first.completion;
  }
  Completion last = first.completion;
  while (at < content.size && last.status == Status::kOk) {
    const uint32_t length = std::min(uint32_t{1} << 20, content.size - at);
    const Answer part =
        Collect(*client, client->Wait(client->Read(first.completion.file_id, at, length)));
    last = part.completion;
    if (last.status == Status::kOk) content.Check(part.body.data(), at, length);
    at += length;
  }
  client->Release(first.completion.file_id);
  return last;
}

constexpr int kAlways = 1 << 20;

struct Case {
  Hook hook;
  int err;
  int times;
  const char* name;
  Status status;
};

void Errors() {
  const Hook lookup = &spy::Hooks::lookup, st = &spy::Hooks::stat, open = &spy::Hooks::open;
  const Hook read = &spy::Hooks::anonymous_read, pread = &spy::Hooks::pread;
  const Case cases[] = {
      {lookup, ENOENT, kAlways, "small", Status::kNotFound},
      {lookup, EACCES, kAlways, "small", Status::kForbidden},
      {lookup, ENOTCONN, kAlways, "small", Status::kNotConnected},
      {lookup, ETIMEDOUT, kAlways, "small", Status::kTimedOut},
      {lookup, EIO, kAlways, "small", Status::kIo},
      {lookup, EBADFD, kAlways, "small", Status::kIo},
      {lookup, ENOMEM, kAlways, "small", Status::kNoMemory},
      {lookup, ESTALE, kAlways, "small", Status::kChanged},
      {lookup, ESTALE, 1, "small", Status::kOk},
      {lookup, ESTALE, 2, "large", Status::kOk},
      {read, EIO, kAlways, "small", Status::kIo},
      {read, ENOTCONN, 1, "small", Status::kNotConnected},
      // Replaced between the lookup and the read: the name is there, so it is never "not found".
      {read, ENOENT, 1, "small", Status::kOk},
      {read, ESTALE, 2, "small", Status::kOk},
      {read, ENOENT, kAlways, "small", Status::kChanged},
      {st, EIO, kAlways, "small", Status::kIo},
      {st, ENOTCONN, kAlways, "small", Status::kNotConnected},
      {st, ENOENT, 1, "small", Status::kOk},
      {st, ESTALE, kAlways, "small", Status::kChanged},
      {open, EIO, kAlways, "recent", Status::kIo},
      {open, ENOENT, 1, "recent", Status::kOk},
      {pread, EIO, 1, "recent", Status::kIo},
      {pread, ESTALE, 2, "recent", Status::kOk},
      {pread, ENOENT, kAlways, "recent", Status::kChanged},
      {st, EIO, kAlways, "recent", Status::kIo},
      {open, EACCES, kAlways, "large", Status::kForbidden},
      {open, EMFILE, kAlways, "large", Status::kIo},
      {open, ENOENT, 1, "large", Status::kOk},
      {open, ESTALE, 2, "large", Status::kOk},
      {open, ESTALE, kAlways, "large", Status::kChanged},
      {pread, EIO, 1, "large", Status::kIo},
      {pread, ENOENT, 1, "large", Status::kOk},
      {pread, ESTALE, kAlways, "large", Status::kChanged},
      {pread, ENOTCONN, kAlways, "large", Status::kNotConnected},
  };
  for (const Case& one : cases) {
    const std::string name = one.name;
    With(one.hook, one.err, one.times);
    const Completion answer =
        ReadAll(one.name, name == "small" ? kSmall : name == "recent" ? kRecent : kLarge);
    spy::Use({});
    if (answer.status != one.status) {
      Fail(__FILE__, __LINE__,
           std::string(one.name) + " with errno " + std::to_string(one.err) + ": status " +
               std::to_string(static_cast<int>(answer.status)));
    }
    if (one.status != Status::kOk && one.status != Status::kChanged) CHECK_EQ(answer.err, one.err);
    CHECK_EQ(client->blocks().stats().in_use, 0u);
    CHECK(Eventually([] { return client->volume().stats().open_files == 0; }));
  }
}

// io-cache answers reads with a stat of zeros: the file's own must be asked for.
void ReadsWithoutAStat() {
  spy::Hooks hooks;
  hooks.no_stat_from_pread = true;
  spy::Use(hooks);
  CHECK(ReadAll("large", kLarge).status == Status::kOk);
  CHECK(ReadAll("recent", kRecent).status == Status::kOk);

  // And it must be looked at.
  const Answer open = Get(*client, root, "large");
  CHECK(open.completion.status == Status::kOk);
  const Content other{2, 2, kLarge.size};
  WriteFile(place.mount + "/faults/large", other.Bytes(), 0);
  const uint32_t id = open.completion.file_id;
  CHECK(client->Wait(client->Read(id, 0, 65536)).status == Status::kChanged);
  client->Release(id);
  CHECK(ReadAll("large", other).status == Status::kOk);
  spy::Use({});
}

// An error in the middle of a large file leaves the file usable.
void AnErrorIsNotTheEnd() {
  const Answer open = Get(*client, root, "large");
  const uint32_t id = open.completion.file_id;
  CHECK(id != 0);
  With(&spy::Hooks::pread, EIO, 1);
  const Completion failed = client->Wait(client->Read(id, 0, 4096));
  CHECK(failed.status == Status::kIo);
  CHECK(!failed.block);
  const Completion next = client->Wait(client->Read(id, 0, 4096));
  CHECK(next.status == Status::kOk);
  client->Discard(next);
  client->Release(id);
  spy::Use({});
}

// A descriptor that did not survive a switch of the graph is exchanged, unless the file is another one by now.
void ADescriptorIsExchanged() {
  const Answer open = Get(*client, root, "large");
  const uint32_t id = open.completion.file_id;
  CHECK(id != 0);
  const Content content{2, 2, kLarge.size};
  const auto read = [&](int err, int times) {
    With(&spy::Hooks::pread, err, times);
    Answer part = Collect(*client, client->Wait(client->Read(id, 4096, 4096)));
    spy::Use({});
    return part;
  };
  const long files = spy::files;
  for (const int err : {EBADFD, EBADF, ESTALE}) {
    const Answer part = read(err, 1);
    CHECK(part.completion.status == Status::kOk);
    content.Check(part.body.data(), 4096, 4096);
    CHECK_EQ(spy::files, files);
  }
  CHECK(read(EBADFD, kAlways).completion.status == Status::kIo);
  CHECK_EQ(spy::files, files);
  WriteFile(place.mount + "/faults/large", Content{2, 3, kLarge.size}.Bytes(), 0);
  CHECK(read(EBADFD, 1).completion.status != Status::kOk);
  CHECK_EQ(client->volume().stats().open_files, 1u);
  client->Release(id);
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  place = Place::FromArguments(argc, argv);
  root = MakeRoot("/faults", gfserve::SymlinkPolicy::kInside);
  MakeDir(place.mount + "/faults");
  WriteFile(place.mount + "/faults/small", kSmall.Bytes());
  WriteFile(place.mount + "/faults/recent", kRecent.Bytes());
  WriteFile(place.mount + "/faults/large", kLarge.Bytes());
  SetAge("small", 3600);
  SetAge("recent", -3600);  // as with a clock that is ahead: it stays recent
  client = std::make_unique<Client>(place.Spec());
  client->MustConnect();
  Run("errors", Errors);
  Run("reads without a stat", ReadsWithoutAStat);
  Run("an error is not the end", AnErrorIsNotTheEnd);
  Run("a descriptor is exchanged", ADescriptorIsExchanged);
  client->Close();
  client.reset();
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
}
