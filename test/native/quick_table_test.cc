// QuickTable: which requests it takes for plain ones, what it gives for them, and for how long.
#include "../../addon/quick_clients.h"
#include "../../addon/quick_table.h"

#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

constexpr int64_t kSecond = 1'790'000'000;  // Mon, 21 Sep 2026 14:13:20 GMT
constexpr size_t kBounds = 2;

// In memory that ends where the request does.
bool Reads(const std::string& text, PlainGet& get, std::unique_ptr<char[]>& memory) {
  memory = std::make_unique<char[]>(text.size());
  std::memcpy(memory.get(), text.data(), text.size());
  return ReadPlainGet({memory.get(), text.size()}, get);
}

bool IsPlain(const std::string& text) {
  PlainGet get{};
  std::unique_ptr<char[]> memory;
  return Reads(text, get, memory);
}

std::string With(const std::string& field) { return "GET /a HTTP/1.1\r\nHost: b\r\n" + field + "\r\n\r\n"; }

void ReadsWhatDecides() {
  PlainGet get{};
  std::unique_ptr<char[]> memory;
  CHECK(Reads("GET /a/b.txt?c=/d HTTP/1.1\r\nhost: e:80\r\nACCEPT-ENCODING: br, gzip\r\nUser-Agent: x y\r\n"
              "If-None-Match: \"f\"\r\n\r\n",
              get, memory));
  CHECK_EQ(get.path, "/a/b.txt");
  CHECK_EQ(get.host, "e:80");
  CHECK_EQ(get.accept_encoding, "br, gzip");
  CHECK_EQ(get.if_none_match, "\"f\"");
  CHECK(!get.needs_match);
  CHECK(Reads(With("Range: bytes=0-1"), get, memory));
  CHECK(get.needs_match);
  CHECK(get.if_none_match.empty());
  CHECK(Reads(With("if-Modified-Since: x"), get, memory));
  CHECK(get.needs_match);
}

void LeavesTheUnusual() {
  CHECK(IsPlain(With("Accept: */*")));
  CHECK(IsPlain(With("Connection: keep-alive")));
  CHECK(IsPlain(With("connection: Keep-Alive")));
  for (const char* field : {
           "Connection: close", "Connection: upgrade", "Content-Length: 0", "Transfer-Encoding: chunked", "Expect: 100-continue",
           "Upgrade: h2c", "If-Match: *", "If-Unmodified-Since: x", "Host: c", "hOST: b", "A:b", "A:  b", "A: b ", "A: ", "A:",
           "A : b", " A: b", "A b", "A: \x01", "A: \x7f", "A: \xc3\xa4", "\xc3\xa4: b", "A: b\tc", ": b", "A: b\rc: d", "A: b\nc: d",
           "If-None-Match: a\r\nIf-None-Match: b", "Accept-Encoding: a\r\naccept-encoding: a", "A: b\r\n",
       }) {
    if (IsPlain(With(field))) Fail(__FILE__, __LINE__, std::string("taken for plain: ") + field);
  }
  for (const char* text : {
           "", "G", "GET", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET  HTTP/1.1\r\nHost: b\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: b\r\n\r\n",
           "get / HTTP/1.1\r\nHost: b\r\n\r\n", "GET * HTTP/1.1\r\nHost: b\r\n\r\n", "GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.0\r\nHost: b\r\n\r\n", "GET / HTTP/1.10\r\nHost: b\r\n\r\n", "GET /  HTTP/1.1\r\nHost: b\r\n\r\n",
           "GET /a b HTTP/1.1\r\nHost: b\r\n\r\n", "GET /\xc3\xa4 HTTP/1.1\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\nHost: b\n\n",
           "GET / HTTP/1.1\r\nHost: b\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\nG", "\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\n Host: b\r\n\r\n",
       }) {
    if (IsPlain(text)) Fail(__FILE__, __LINE__, std::string("taken for plain: ") + text);
  }
  CHECK(!IsPlain(std::string("GET /a\0b HTTP/1.1\r\nHost: b\r\n\r\n", 31)));
  CHECK(!IsPlain("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: b\r\n\r\n"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  CHECK(!IsPlain(With(many + "A: b")));
}

// What is cut off, or has a byte changed, is read within its bounds, and never as two requests.
void SurvivesWhatIsDamaged() {
  std::mt19937 random(7);
  const std::string whole = "GET /a/b?c HTTP/1.1\r\nHost: d\r\nAccept-Encoding: br\r\nIf-None-Match: \"e\"\r\nAccept: */*\r\n\r\n";
  for (size_t length = 0; length < whole.size(); ++length) CHECK(!IsPlain(whole.substr(0, length)));
  const std::string bytes("\0\r\n :\x7f\x80Gz/\t", 11);
  for (int round = 0; round < 200'000; ++round) {
    std::string text = whole;
    for (size_t change = random() % 3 + 1; change > 0; --change) text[random() % text.size()] = bytes[random() % bytes.size()];
    PlainGet get{};
    std::unique_ptr<char[]> memory;
    if (!Reads(text, get, memory)) continue;
    for (const auto view : {get.path, get.host, get.accept_encoding, get.if_none_match}) {
      for (const char byte : view) CHECK(byte >= 0x20 && byte < 0x7f);
    }
    CHECK_EQ(get.path.front(), '/');
    CHECK(!get.host.empty());
  }
}

struct Fixture {
  explicit Fixture(bool by_host = false, bool by_encoding = false)
      : table({by_host, by_encoding, &epoch, std::vector<double>{0.1, 1}}) {}

  int32_t Arm(std::string_view key, std::string_view body, double until_ms = 1000) {
    QuickAnswer answer{};
    answer.key = key;
    answer.etag = "\"t\"";
    answer.whole_head = "200 OK\r\nETag: \"t\"";
    answer.body = body;
    answer.not_modified_head = "304 Not Modified\r\nETag: \"t\"";
    answer.until_ms = until_ms;
    answer.counters = {cells.data()};
    answer.line_shape = 7;
    return table.Arm(answer);
  }

  // What goes out; empty: nothing.
  std::string Ask(const std::string& text, double now_ms = 0, int64_t second = kSecond, bool tells_status = false) {
    PlainGet get{};
    std::unique_ptr<char[]> memory;
    if (!Reads(text, get, memory)) return "";
    const auto found = table.Find(get, now_ms, second, tells_status);
    if (!found.head) return "";
    CHECK_EQ(found.line_shape, 7u);
    CHECK_EQ(found.is_whole, get.if_none_match.empty());
    table.Count(found, 0.5);
    return std::string(found.head, found.head_length) + std::string(found.body ? found.body : "", found.body_length);
  }

  double epoch = 1;
  std::vector<double> cells = std::vector<double>(3 + kBounds + 2);
  QuickTable table;
};

std::string Get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

void GivesWhatItWasGiven() {
  Fixture f;
  const std::string body = "hello";
  CHECK_EQ(f.Arm("/a", body), 0);
  const std::string date = "\r\nDate: Mon, 21 Sep 2026 14:13:20 GMT\r\nuWebSockets: 20\r\n";
  CHECK_EQ(f.Ask(Get("/a?b")), "HTTP/1.1 200 OK\r\nETag: \"t\"" + date + "Content-Length: 5\r\n\r\nhello");
  CHECK_EQ(f.Ask(Get("/a", "If-None-Match: \"t\"\r\nRange: x\r\n")), "HTTP/1.1 304 Not Modified\r\nETag: \"t\"" + date + "\r\n");
  CHECK(f.Ask(Get("/a"), 0, kSecond + 86'400).find("Date: Tue, 22 Sep 2026 14:13:20 GMT\r\n") != std::string::npos);
  CHECK_EQ(f.Ask(Get("/b")), "");
  CHECK_EQ(f.Ask(Get("/a", "If-None-Match: \"u\"\r\n")), "");
  CHECK_EQ(f.Ask(Get("/a", "Range: bytes=0-1\r\n")), "");
  // Two whole ones, one 304, ten bytes; each took 0.5 ms.
  CHECK_EQ(f.cells[0], 2);
  CHECK_EQ(f.cells[1], 1);
  CHECK_EQ(f.cells[2], 10);
  CHECK_EQ(f.cells[3], 0);
  CHECK_EQ(f.cells[4], 3);
  CHECK_EQ(f.cells[5], 0);
  CHECK_EQ(f.cells[6], 1.5);
  uint32_t pairs[4] = {};
  CHECK_EQ(f.table.TakeHits(pairs, 2), size_t{1});
  CHECK_EQ(pairs[0], 0u);
  CHECK_EQ(pairs[1], 3u);
  CHECK_EQ(f.table.TakeHits(pairs, 2), size_t{0});
}

void GivesItForAsLongAsItMay() {
  Fixture f;
  const std::string body = "hello";
  f.Arm("/a", body, 1000);
  CHECK(!f.Ask(Get("/a"), 999.9).empty());
  CHECK_EQ(f.Ask(Get("/a"), 1000), "");
  f.Arm("/a", body, 2000);
  CHECK(!f.Ask(Get("/a"), 1000).empty());
  f.epoch += 1;
  CHECK_EQ(f.Ask(Get("/a"), 1000), "");
  CHECK_EQ(f.Arm("/a", "other", 3000), 0);
  CHECK(f.Ask(Get("/a"), 1000).find("\r\n\r\nother") != std::string::npos);
  f.table.Clear();
  CHECK_EQ(f.Ask(Get("/a"), 1000), "");
  CHECK_EQ(f.table.size(), size_t{0});
  CHECK_EQ(f.Arm("/b", std::string(QuickTable::kLongestBody + 1, 'x')), -1);
}

void TellsOfTheCache() {
  Fixture f;
  const std::string body = "hello";
  f.Arm("/a", body, 60'000);
  const auto status = [&](double now_ms, const char* fields) {
    const std::string answer = f.Ask(Get("/a", fields), now_ms, kSecond, true);
    const size_t at = answer.find("\r\nCache-Status: ");
    return at == std::string::npos ? "" : answer.substr(at + 2, answer.find("\r\n", at + 2) - at - 2);
  };
  for (const char* fields : {"", "If-None-Match: \"t\"\r\n"}) {
    CHECK_EQ(status(0, fields), "Cache-Status: gfserve; hit; ttl=60");
    CHECK_EQ(status(0.5, fields), "Cache-Status: gfserve; hit; ttl=59");
    CHECK_EQ(status(59'000.5, fields), "Cache-Status: gfserve; hit; ttl=0");
    CHECK_EQ(status(0, fields), "Cache-Status: gfserve; hit; ttl=60");
    // Somebody else, in the same second.
    CHECK_EQ(f.Ask(Get("/a", fields)).find("Cache-Status"), std::string::npos);
  }
}

void ReadsWhatTheLogTells() {
  PlainGet get{};
  std::unique_ptr<char[]> memory;
  CHECK(Reads(With("Referer: r\r\nREFERER: s\r\nuser-agent: u v\r\nUser-Agent: w\r\nx-Forwarded-For: 1.1.1.1, 2.2.2.2"), get, memory));
  CHECK_EQ(get.target, "/a");
  CHECK_EQ(get.referer, "r");
  CHECK_EQ(get.user_agent, "u v");
  CHECK_EQ(get.forwarded_for, "1.1.1.1, 2.2.2.2");
  CHECK(Reads("GET /a?b?c HTTP/1.1\r\nHost: h\r\n\r\n", get, memory));
  CHECK_EQ(get.target, "/a?b?c");
  CHECK_EQ(get.path, "/a");
  CHECK(get.referer.empty() && get.user_agent.empty() && get.forwarded_for.empty());
  CHECK(!IsPlain(With("X-Forwarded-For: a\r\nx-forwarded-for: b")));
}

void KnowsClients() {
  Peer peer{};
  CHECK(!peer.is_known);
  const std::string longest(46, 'f');
  peer.Tell(longest, true);
  CHECK(peer.is_known && peer.is_trusted);
  CHECK_EQ(peer.Address(), longest);
  peer.Tell("", false);
  CHECK(peer.is_known && !peer.is_trusted);
  CHECK_EQ(peer.Address(), "");
  peer.Tell(longest + "f", true);
  CHECK(!peer.is_known);

  ForwardedClients clients;
  CHECK(!clients.Find("p", "a"));
  clients.Tell("p", "a", "1");
  clients.Tell("p", "b", "2");
  clients.Tell("q", "a", "3");
  CHECK_EQ(*clients.Find("p", "a"), "1");
  CHECK_EQ(*clients.Find("p", "b"), "2");
  CHECK_EQ(*clients.Find("q", "a"), "3");
  CHECK(!clients.Find("q", "b"));
  clients.Clear();
  CHECK(!clients.Find("p", "a"));
}

void TellsKeysApart() {
  Fixture by_path;
  Fixture by_all(true, true);
  by_path.Arm("/a", "path");
  by_all.Arm("/a\nh\n", "host");
  by_all.Arm("/a\nh\nbr", "br");
  by_all.Arm("/a\ni\nbr", "i");
  CHECK(by_path.Ask(Get("/a", "Accept-Encoding: br\r\n")).find("path") != std::string::npos);
  CHECK(by_all.Ask(Get("/a")).find("\r\n\r\nhost") != std::string::npos);
  CHECK(by_all.Ask(Get("/a", "Accept-Encoding: br\r\n")).find("\r\n\r\nbr") != std::string::npos);
  CHECK_EQ(by_all.Ask(Get("/a", "Accept-Encoding: gzip\r\n")), "");
}

void IsBounded() {
  Fixture f;
  int32_t most = 0;
  int refused = 0;
  for (size_t i = 0; i < 4 * QuickTable::kMostSlots; ++i) {
    const int32_t slot = f.Arm("/" + std::to_string(i), "x");
    if (slot < 0) ++refused;
    else most = std::max(most, slot);
  }
  CHECK(f.table.size() <= QuickTable::kMostSlots);
  CHECK_EQ(static_cast<size_t>(most) + 1, f.table.size());
  CHECK_EQ(static_cast<size_t>(refused), 4 * QuickTable::kMostSlots - f.table.size());
  size_t found = 0;
  for (size_t i = 0; i < 4 * QuickTable::kMostSlots; ++i) found += f.Ask(Get("/" + std::to_string(i))).empty() ? 0 : 1;
  CHECK_EQ(found, f.table.size());
  // All of their hits, in as many calls as it takes.
  std::set<uint32_t> slots;
  uint32_t pairs[200];
  for (size_t count = 100; count == 100;) {
    count = f.table.TakeHits(pairs, 100);
    for (size_t i = 0; i < count; ++i) {
      CHECK_EQ(pairs[2 * i + 1], 1u);
      slots.insert(pairs[2 * i]);
    }
  }
  CHECK_EQ(slots.size(), f.table.size());
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  ReadsWhatDecides();
  LeavesTheUnusual();
  SurvivesWhatIsDamaged();
  GivesWhatItWasGiven();
  GivesItForAsLongAsItMay();
  TellsOfTheCache();
  ReadsWhatTheLogTells();
  KnowsClients();
  TellsKeysApart();
  IsBounded();
  return 0;
}
