#include "quick_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>

namespace gfserve {

namespace {

// A longer head, or one of more fields, is left to uWebSockets.js, which has bounds of its own.
constexpr size_t kLongestHead = 4096;
constexpr size_t kMostFields = 64;
// Of what has the same hash: clients choose the keys, in part.
constexpr size_t kLongestChain = 8;
constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kBuckets = 2 * QuickTable::kMostSlots;
// Of an answer without a Cache-Status.
constexpr int64_t kNoStatus = -1;

// Where a mount's counters are, as in HotCounters of src/observe/request_counters.ts.
constexpr size_t kWhole = 0;
constexpr size_t kNotModified = 1;
constexpr size_t kBytes = 2;
constexpr size_t kDurations = 3;

enum Class : uint8_t { kName = 1, kValue = 2, kTarget = 4 };

// Of the bytes of a name (RFC 9110 §5.6.2), a value and a target those that nobody reads in two ways.
constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int byte = 0x20; byte < 0x7f; ++byte) classes[byte] |= kValue;
  for (int byte = 0x21; byte < 0x7f; ++byte) classes[byte] |= kTarget;
  for (int byte = 'a'; byte <= 'z'; ++byte) classes[byte] |= kName;
  for (int byte = 'A'; byte <= 'Z'; ++byte) classes[byte] |= kName;
  for (int byte = '0'; byte <= '9'; ++byte) classes[byte] |= kName;
  classes['-'] |= kName;
  classes['_'] |= kName;
  return classes;
}

constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

inline bool Is(char byte, Class wanted) { return (kClasses[static_cast<uint8_t>(byte)] & wanted) != 0; }

// Whether they are the same but for the case of letters. `lower` consists of letters, digits and hyphens.
bool IsSame(std::string_view name, std::string_view lower) {
  for (size_t i = 0; i < lower.size(); ++i) {
    const char byte = name[i];
    const char folded = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
    if (folded != lower[i]) return false;
  }
  return true;
}

// One that may be there once.
bool Take(std::string_view value, std::string_view& field, bool& seen) {
  if (seen) return false;
  seen = true;
  field = value;
  return true;
}

struct Seen {
  bool host = false;
  bool accept_encoding = false;
  bool if_none_match = false;
  bool forwarded_for = false;
};

// The first one counts, as for uWebSockets.js. None is empty.
void TakeFirst(std::string_view value, std::string_view& field) {
  if (field.empty()) field = value;
}

// In whole seconds.
int64_t TtlOf(double left_ms) {
  constexpr double kLongest = 1e15;
  return static_cast<int64_t>(std::min(left_ms, kLongest) / 1000);
}

// false: it makes the request another one than a plain GET.
bool TakeField(std::string_view name, std::string_view value, PlainGet& get, Seen& seen) {
  switch (name.size()) {
    case 4:
      return !IsSame(name, "host") || Take(value, get.host, seen.host);
    case 5:
      if (IsSame(name, "range")) get.needs_match = true;
      return true;
    case 6:
      return !IsSame(name, "expect");
    case 7:
      if (IsSame(name, "referer")) TakeFirst(value, get.referer);
      return !IsSame(name, "upgrade");
    case 8:
      return !IsSame(name, "if-match");
    case 10:
      if (IsSame(name, "user-agent")) TakeFirst(value, get.user_agent);
      return !IsSame(name, "connection") || (value.size() == 10 && IsSame(value, "keep-alive"));
    case 13:
      return !IsSame(name, "if-none-match") || Take(value, get.if_none_match, seen.if_none_match);
    case 14:
      return !IsSame(name, "content-length");
    case 15:
      if (IsSame(name, "x-forwarded-for")) return Take(value, get.forwarded_for, seen.forwarded_for);
      return !IsSame(name, "accept-encoding") || Take(value, get.accept_encoding, seen.accept_encoding);
    case 17:
      if (IsSame(name, "if-modified-since")) get.needs_match = true;
      return !IsSame(name, "transfer-encoding");
    case 19:
      return !IsSame(name, "if-unmodified-since");
    default:
      return true;
  }
}

}  // namespace

bool ReadPlainGet(std::string_view bytes, PlainGet& get) {
  constexpr std::string_view kBegin = "GET /";
  constexpr std::string_view kVersion = " HTTP/1.1\r\n";
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (bytes.size() < kBegin.size() + kVersion.size() + kEnd.size() || bytes.size() > kLongestHead) return false;
  if (bytes.substr(0, kBegin.size()) != kBegin || bytes.substr(bytes.size() - kEnd.size()) != kEnd) return false;
  // Every loop below ends at a CR at the latest, of which there is one at the end.
  const char* const target = bytes.data() + kBegin.size() - 1;
  const char* const end = bytes.data() + bytes.size() - 2;
  const char* at = target;
  while (Is(*at, kTarget)) ++at;
  const std::string_view whole(target, static_cast<size_t>(at - target));
  if (static_cast<size_t>(end - at) < kVersion.size() || std::string_view(at, kVersion.size()) != kVersion) return false;
  at += kVersion.size();

  get = PlainGet{};
  get.target = whole;
  get.path = whole.substr(0, whole.find('?'));
  Seen seen;
  for (size_t count = 0; at < end; ++count) {
    if (count == kMostFields) return false;
    const char* const name = at;
    while (Is(*at, kName)) ++at;
    const std::string_view name_text(name, static_cast<size_t>(at - name));
    if (name_text.empty() || at[0] != ':' || at[1] != ' ') return false;
    const char* const value = at + 2;
    at = value;
    while (Is(*at, kValue)) ++at;
    if (at[0] != '\r' || at[1] != '\n') return false;
    const std::string_view value_text(value, static_cast<size_t>(at - value));
    // Which of the blanks belong to it is not asked here, nor whether an empty one counts.
    if (value_text.empty() || value_text.front() == ' ' || value_text.back() == ' ') return false;
    if (!TakeField(name_text, value_text, get, seen)) return false;
    at += 2;
  }
  return seen.host;
}

QuickTable::QuickTable(Options options)
    : options_(std::move(options)),
      seed_((static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}()),
      buckets_(kBuckets, kNone) {}

uint64_t QuickTable::HashOf(std::string_view key) const {
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  uint64_t hash = seed_ ^ (key.size() * kFactor);
  size_t at = 0;
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 29;
  };
  for (; at + sizeof(uint64_t) <= key.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, key.data() + at, sizeof(word));
    mix(word);
  }
  uint64_t rest = 0;
  if (at < key.size()) std::memcpy(&rest, key.data() + at, key.size() - at);
  mix(rest);
  mix(seed_);
  return hash;
}

// As keyOf() in src/http/hot.ts: none of the three has a line feed.
std::string_view QuickTable::KeyOf(const PlainGet& get) {
  const std::string_view host = options_.by_host ? get.host : std::string_view{};
  const std::string_view encoding = options_.by_accept_encoding ? get.accept_encoding : std::string_view{};
  if (host.empty() && encoding.empty()) return get.path;
  key_.assign(get.path);
  key_ += '\n';
  key_ += host;
  key_ += '\n';
  key_ += encoding;
  return key_;
}

uint32_t QuickTable::Look(std::string_view key, size_t bucket, size_t& length) const {
  length = 0;
  uint32_t at = buckets_[bucket];
  for (; at != kNone && slots_[at].key != key; at = slots_[at].next) ++length;
  return at;
}

QuickTable::Head QuickTable::MakeHead(std::string_view head, const std::string& rest) {
  Head made;
  if (head.empty()) return made;
  made.fields = "HTTP/1.1 ";
  made.fields += head;
  // What uWebSockets.js says behind an answer's own fields.
  made.rest = "\r\nuWebSockets: 20\r\n" + rest + "\r\n";
  return made;
}

int32_t QuickTable::Arm(const QuickAnswer& answer) {
  if (answer.body.size() > kLongestBody) return -1;
  const size_t bucket = HashOf(answer.key) % kBuckets;
  size_t length = 0;
  uint32_t at = Look(answer.key, bucket, length);
  if (at == kNone) {
    if (slots_.size() == kMostSlots || length >= kLongestChain) return -1;
    at = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
    slots_[at].key = answer.key;
    slots_[at].next = buckets_[bucket];
    buckets_[bucket] = at;
  }
  Slot& slot = slots_[at];
  slot.etag = answer.etag;
  slot.whole = MakeHead(answer.whole_head, "Content-Length: " + std::to_string(answer.body.size()) + "\r\n");
  slot.not_modified = MakeHead(answer.not_modified_head, "");
  slot.body = answer.body;
  slot.until_ms = answer.until_ms;
  slot.counters = answer.counters.cells;
  slot.line_shape = answer.line_shape;
  slot.epoch = *options_.epoch;
  return static_cast<int32_t>(at);
}

void QuickTable::Clear() {
  slots_.clear();
  touched_.clear();
  buckets_.assign(kBuckets, kNone);
}

// RFC 9110 §5.6.7, whatever the locale is.
const std::string& QuickTable::DateAt(int64_t second) {
  if (date_second_ == second) return date_;
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t time = static_cast<time_t>(second);
  tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday], utc.tm_mday,
                kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  date_.assign(text);
  date_second_ = second;
  return date_;
}

const std::string& QuickTable::HeadAt(Head& head, int64_t second, int64_t ttl) {
  if (head.second == second && head.ttl == ttl) return head.bytes;
  head.second = second;
  head.ttl = ttl;
  head.bytes.assign(head.fields);
  // As in src/http/cache_status.ts.
  if (ttl != kNoStatus) head.bytes += "\r\nCache-Status: gfserve; hit; ttl=" + std::to_string(ttl);
  head.bytes += "\r\nDate: ";
  head.bytes += DateAt(second);
  head.bytes += head.rest;
  return head.bytes;
}

QuickTable::Found QuickTable::Find(const PlainGet& get, double now_ms, int64_t second, bool tells_status) {
  const std::string_view key = KeyOf(get);
  size_t length = 0;
  const uint32_t at = Look(key, HashOf(key) % kBuckets, length);
  if (at == kNone) return {};
  Slot& slot = slots_[at];
  if (slot.epoch != *options_.epoch || !(now_ms < slot.until_ms)) return {};
  const int64_t ttl = tells_status ? TtlOf(slot.until_ms - now_ms) : kNoStatus;

  Found found;
  found.slot = at;
  found.line_shape = slot.line_shape;
  Head* head = nullptr;
  if (!get.if_none_match.empty()) {
    if (get.if_none_match != slot.etag) return {};
    head = &slot.not_modified;
  } else {
    if (get.needs_match) return {};
    head = &slot.whole;
    found.body = slot.body.data();
    found.body_length = slot.body.size();
  }
  if (head->fields.empty()) return {};
  found.is_whole = head == &slot.whole;
  const std::string& bytes = HeadAt(*head, second, ttl);
  found.head = bytes.data();
  found.head_length = bytes.size();
  return found;
}

void QuickTable::Count(const Found& found, double duration_ms) {
  Slot& slot = slots_[found.slot];
  if (slot.hits++ == 0) touched_.push_back(found.slot);
  slot.counters[found.is_whole ? kWhole : kNotModified] += 1;
  slot.counters[kBytes] += static_cast<double>(found.body_length);
  const auto& bounds = options_.bounds_ms;
  size_t bound = 0;
  while (bound < bounds.size() && duration_ms > bounds[bound]) ++bound;
  slot.counters[kDurations + bound] += 1;
  slot.counters[kDurations + bounds.size() + 1] += duration_ms;
}

size_t QuickTable::TakeHits(uint32_t* pairs, size_t room) {
  size_t count = 0;
  while (count < room && !touched_.empty()) {
    const uint32_t at = touched_.back();
    touched_.pop_back();
    pairs[2 * count] = at;
    pairs[2 * count + 1] = slots_[at].hits;
    slots_[at].hits = 0;
    ++count;
  }
  return count;
}

}  // namespace gfserve
