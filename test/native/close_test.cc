// The end of volumes: at every point of their life, with calls that hang, and with nobody left who
// waits for results. Each volume's glfs_fini takes some ten seconds, so all are waited for together.
#include <algorithm>
#include <cerrno>
#include <fstream>
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

using std::chrono::milliseconds;

constexpr Content kSmall{1, 1, 4096};
constexpr Content kLarge{2, 1, 1'000'000};
constexpr milliseconds kAWhile{100};
constexpr auto kEnd = std::chrono::seconds(90);

Place place;
std::shared_ptr<const Root> root;

// A volume that has been told to close.
struct Closing {
  std::unique_ptr<Client> client;
  std::shared_ptr<Gate> closed = std::make_shared<Gate>();
};
std::vector<Closing> closings;

void StartClosing(std::unique_ptr<Client> client) {
  Closing closing{std::move(client)};
  closing.client->volume().Close([closed = closing.closed] { closed->Open(); });
  closings.push_back(std::move(closing));
}

bool ClosedWithin(milliseconds time) { return closings.back().closed->WaitFor(time); }

std::unique_ptr<Client> Connected(VolumeSpec spec) {
  auto client = std::make_unique<Client>(std::move(spec));
  client->MustConnect();
  return client;
}

int ThreadCount() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Threads:", 0) == 0) return std::stoi(line.substr(8));
  }
  return -1;
}

Status SubmitOpen(Client& client) {
  OpenJob::Request request{root, {"small"}, 4096, 4096, 0, true, false};
  std::unique_ptr<Task> task =
      std::make_unique<OpenJob>(client.shared(), client.volume(), 0, std::move(request));
  const Status status = client.volume().Submit(task, Volume::Lane::kQueue);
  CHECK_EQ(task == nullptr, status == Status::kOk);
  return status;
}

void WhileConnecting() {
  std::vector<std::shared_ptr<Gate>> connects;
  for (int i = 0; i < 6; ++i) {
    auto client = std::make_unique<Client>(place.Spec());
    auto done = std::make_shared<Gate>();
    CHECK(SubmitOpen(*client) == Status::kClosed);
    client->volume().Connect([done](const ConnectResult&) { done->Open(); });
    std::this_thread::sleep_for(milliseconds(i * i));
    Closing closing{std::move(client)};
    closing.client->volume().Close([done, closed = closing.closed] {
      CHECK(done->WaitFor(milliseconds(0)));  // the connect's result comes first
      closed->Open();
    });
    CHECK(SubmitOpen(*closing.client) == Status::kClosed);
    closings.push_back(std::move(closing));
    connects.push_back(std::move(done));
  }
  for (const auto& done : connects) done->Wait();
}

void WhileConnectingHangs() {
  for (const bool fails : {true, false}) {  // in the end
    auto go_on = std::make_shared<Gate>();
    spy::Hooks hooks;
    hooks.init = [go_on] {
      go_on->Wait();
      return 0;
    };
    spy::Use(hooks);
    VolumeSpec spec = place.Spec();
    if (fails) spec.volname = "unknown";
    auto client = std::make_unique<Client>(std::move(spec));
    auto done = std::make_shared<Gate>();
    client->volume().Connect([done, fails](const ConnectResult& result) {
      CHECK_EQ(result.status != Status::kOk, fails);
      done->Open();
    });
    StartClosing(std::move(client));
    CHECK(!ClosedWithin(kAWhile));
    CHECK(SubmitOpen(*closings.back().client) == Status::kClosed);
    go_on->Open();
    done->Wait();
    spy::Use({});
    CHECK(SubmitOpen(*closings.back().client) == Status::kClosed);
  }
}

ConnectResult FailToConnect(VolumeSpec spec) {
  auto client = std::make_unique<Client>(std::move(spec));
  const ConnectResult result = client->Connect();
  CHECK(result.status != Status::kOk);
  CHECK(SubmitOpen(*client) == Status::kClosed);
  StartClosing(std::move(client));
  return result;
}

void AfterAFailure() {
  VolumeSpec unknown = place.Spec();
  unknown.volname = "unknown";
  CHECK(FailToConnect(unknown).status == Status::kNotFound);
  VolumeSpec dead = place.Spec();
  dead.servers[0].port = 1;
  CHECK(FailToConnect(dead).status == Status::kNotConnected);
  VolumeSpec bad = place.Spec();
  bad.volname = "no/volume's name";
  CHECK_EQ(FailToConnect(bad).err, EINVAL);

  spy::Hooks hooks;
  hooks.create = [] { return ENOMEM; };
  spy::Use(hooks);
  CHECK(FailToConnect(place.Spec()).status == Status::kNoMemory);
  hooks = {};
  hooks.lookup = [] { return ENOTCONN; };
  spy::Use(hooks);
  CHECK(FailToConnect(place.Spec()).status == Status::kNotConnected);
  spy::Use({});
}

// 'closed' is what keeps the process alive: glfs_fini must be over.
void AfterAFailureWhoseEndHangs() {
  auto in_fini = std::make_shared<Gate>(), go_on = std::make_shared<Gate>();
  spy::Hooks hooks;
  hooks.fini = [in_fini, go_on] {
    in_fini->Open();
    go_on->Wait();
    return 0;
  };
  spy::Use(hooks);
  VolumeSpec unknown = place.Spec();
  unknown.volname = "unknown";
  CHECK(FailToConnect(unknown).status == Status::kNotFound);
  in_fini->Wait();
  CHECK(!ClosedWithin(kAWhile));
  go_on->Open();
  CHECK(ClosedWithin(kEnd));
  spy::Use({});
}

// Blocks every job in its read until `go_on` opens.
struct StuckReads {
  std::shared_ptr<Gate> go_on = std::make_shared<Gate>();
  StuckReads() {
    spy::Hooks hooks;
    hooks.anonymous_read = hooks.pread = [gate = go_on] {
      gate->Wait();
      return 0;
    };
    spy::Use(hooks);
  }
  ~StuckReads() {
    go_on->Open();
    spy::Use({});
  }
};

void CheckSmall(Client& client, const Completion& completion) {
  const Answer answer = Collect(client, completion);
  CHECK(completion.status == Status::kOk);
  CHECK_EQ(answer.body.size(), kSmall.size);
  kSmall.Check(answer.body.data(), 0, kSmall.size);
}

void WithJobsQueuedAndStuck() {
  auto owned = Connected(place.Spec());
  Client& client = *owned;
  {
    StuckReads stuck;
    for (int i = 0; i < 24; ++i) client.Open(root, {"small"});
    CHECK(Eventually([&] { return client.volume().stats().pool.busy == 4; }));
    StartClosing(std::move(owned));
    for (int dropped = 0; dropped < 20;) {  // at once, although the others are stuck
      const std::vector<Completion> batch = client.Take(milliseconds(5000));
      CHECK(!batch.empty());
      for (const Completion& completion : batch) {
        CHECK(completion.status == Status::kClosed);
        CHECK(!completion.block);
        ++dropped;
      }
    }
    CHECK(!ClosedWithin(kAWhile));
    CHECK_EQ(client.in_flight(), 4u);
  }
  while (client.in_flight() > 0) {
    for (const Completion& completion : client.Take(milliseconds(100))) {
      CheckSmall(client, completion);
    }
  }
}

// As when a worker thread's environment ends: what comes later finds nobody.
void WithNobodyLeft() {
  auto owned = Connected(place.Spec());
  Client& client = *owned;
  {
    StuckReads stuck;
    for (int i = 0; i < 2; ++i) client.Open(root, {"small"});
    for (int i = 0; i < 2; ++i) client.Open(root, {"large"});
    CHECK(Eventually([&] { return client.blocks().stats().in_use == 4; }));
    CHECK(client.shared()->completions.Detach().empty());
  }
  CHECK(Eventually([&] { return client.blocks().stats().in_use == 0; }));
  CHECK(Eventually([&] { return client.volume().stats().open_files == 0; }));
  StartClosing(std::move(owned));
}

void WithFilesOpenAndReadsUnderWay() {
  auto owned = Connected(place.Spec());
  Client& client = *owned;
  OpenOptions listing;
  listing.listing = true;
  std::vector<uint32_t> open;
  for (int i = 0; i < 10; ++i) {
    const Answer answer = i < 7 ? Get(client, root, "large") : Get(client, root, "", listing);
    CHECK(answer.completion.status == Status::kOk);
    CHECK(answer.completion.file_id != 0);
    open.push_back(answer.completion.file_id);
  }
  CHECK_EQ(client.volume().stats().open_files, 10u);
  client.Release(open[0]);
  CHECK(Eventually([&] { return client.volume().stats().open_files == 9; }));
  for (int i = 0; i < 200; ++i) {
    client.Read(open[static_cast<size_t>(1 + i % 6)], static_cast<uint64_t>(i) * 64, 65536);
  }
  StartClosing(std::move(owned));
  client.Release(open[1]);  // too late, and harmless
  int read = 0, dropped = 0;
  while (client.in_flight() > 0) {
    for (const Completion& completion : client.Take(milliseconds(100))) {
      if (completion.status == Status::kClosed) {
        ++dropped;
      } else {
        CHECK(completion.status == Status::kOk);
        CHECK_EQ(Collect(client, completion).body.size(), 65536u);
        ++read;
      }
    }
  }
  CHECK_EQ(read + dropped, 200);
}

void CancelledAndRefused() {
  VolumeSpec spec = place.Spec();
  spec.max_queue = 20;
  auto owned = Connected(std::move(spec));
  Client& client = *owned;
  const Answer large = Get(client, root, "large");
  CHECK(large.completion.file_id != 0);
  {
    StuckReads stuck;
    for (int i = 0; i < 4; ++i) client.Open(root, {"small"});
    CHECK(Eventually([&] { return client.volume().stats().pool.busy == 4; }));
    for (int i = 0; i < 20; ++i) {
      const uint32_t token = client.Open(root, {"small"});
      if (i % 2 == 0) client.Cancel(token);
    }
    CHECK(SubmitOpen(client) == Status::kBusy);
    client.Release(large.completion.file_id);  // is taken all the same
    CHECK_EQ(client.volume().stats().pool.queued, 21u);
  }
  int cancelled = 0, answered = 0;
  while (client.in_flight() > 0) {
    for (const Completion& completion : client.Take(milliseconds(100))) {
      if (completion.status == Status::kCancelled) {
        CHECK(!completion.block);
        ++cancelled;
      } else {
        CheckSmall(client, completion);
        ++answered;
      }
    }
  }
  CHECK_EQ(cancelled, 10);
  CHECK_EQ(answered, 14);
  CHECK(Eventually([&] { return client.volume().stats().open_files == 0; }));
  StartClosing(std::move(owned));
}

void AllEnds() {
  for (Closing& closing : closings) {
    CHECK(closing.closed->WaitFor(kEnd));
    CHECK_EQ(closing.client->blocks().stats().in_use, 0u);
  }
  // The last threads leave just after having said so.
  CHECK(Eventually([] {
    return std::all_of(closings.begin(), closings.end(), [](Closing& closing) {
      return closing.client->shared_volume().use_count() == 1;
    });
  }));
  closings.clear();
  CHECK_EQ(spy::files, 0);
  CHECK_EQ(spy::objects, 0);
  // Instances that served only to connect end by themselves.
  CHECK(Eventually([] { return spy::instances == 0; }));
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  place = Place::FromArguments(argc, argv);
  root = MakeRoot("/close", gfserve::SymlinkPolicy::kInside);
  MakeDir(place.mount + "/close");
  WriteFile(place.mount + "/close/small", kSmall.Bytes());
  WriteFile(place.mount + "/close/large", kLarge.Bytes());
  const int threads = ThreadCount();
  Run("while connecting", WhileConnecting);
  Run("while connecting hangs", WhileConnectingHangs);
  Run("after a failure", AfterAFailure);
  Run("after a failure whose end hangs", AfterAFailureWhoseEndHangs);
  Run("with jobs queued and stuck", WithJobsQueuedAndStuck);
  Run("with nobody left", WithNobodyLeft);
  Run("with files open and reads under way", WithFilesOpenAndReadsUnderWay);
  Run("cancelled and refused", CancelledAndRefused);
  Run("all ends", AllEnds);
  // libglusterfs keeps a few for the process; each volume had a dozen.
  CHECK(Eventually([threads] { return ThreadCount() <= threads + 4; }));
}
