// LineShape: what it writes, what it leaves to others, and that it never writes more than there is room for.
#include "../../addon/access_line.h"
#include "../../addon/line_log.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "check.h"

namespace gfserve::test {
namespace {

uint32_t SlotOf(Slot slot, bool or_hyphen = false) {
  return static_cast<uint32_t>(slot) + (or_hyphen ? static_cast<uint32_t>(Slot::kOrHyphen) : 0);
}

// Every slot, with something in between.
LineShape Everything(bool or_hyphen) {
  LineShape shape;
  for (const Slot slot : {Slot::kClient, Slot::kTarget, Slot::kHost, Slot::kReferer, Slot::kUserAgent}) {
    shape.AddSlot(SlotOf(slot, or_hyphen));
    shape.AddText("|");
  }
  for (const Slot slot : {Slot::kSecond, Slot::kMillisecond, Slot::kStatus, Slot::kBytes, Slot::kSeconds}) {
    shape.AddSlot(SlotOf(slot));
    shape.AddText("|");
  }
  shape.AddSlot(SlotOf(Slot::kMilliseconds));
  shape.AddText("\n");
  return shape;
}

LineValues Values() {
  LineValues values{};
  values.client = "192.0.2.1";
  values.target = "/a?b";
  values.host = "example.org";
  values.referer = "";
  values.user_agent = "an agent";
  values.status = 200;
  values.bytes = 4096;
  values.started_ms = 7;
  values.duration_us = 1230;
  return values;
}

// Into memory that ends where the room does.
std::string Written(const LineShape& shape, const LineValues& values, size_t room) {
  const auto bytes = std::make_unique<char[]>(room);
  const size_t length = shape.Write(values, "12:00:00", bytes.get(), room);
  CHECK(length <= room);
  return {bytes.get(), length};
}

void SaysEverything() {
  const std::string tail = "|an agent|12:00:00|007|200|4096|0.001230|1.23\n";
  CHECK_EQ(Written(Everything(false), Values(), 1000), "192.0.2.1|/a?b|example.org|" + tail);
  CHECK_EQ(Written(Everything(true), Values(), 1000), "192.0.2.1|/a?b|example.org|-" + tail);
  CHECK_EQ(Written(Everything(false), LineValues{}, 1000), "|||||12:00:00|000|0|0|0.000000|0\n");
}

void WritesNumbers() {
  LineShape shape;
  shape.AddSlot(SlotOf(Slot::kSeconds));
  shape.AddText(" ");
  shape.AddSlot(SlotOf(Slot::kMilliseconds));
  const struct {
    uint64_t us;
    const char* text;
  } cases[] = {{0, "0.000000 0"},      {1, "0.000001 0.001"},         {10, "0.000010 0.01"},
               {100, "0.000100 0.1"},  {999, "0.000999 0.999"},       {1000, "0.001000 1"},
               {1001, "0.001001 1.001"}, {60'000'000, "60.000000 60000"}, {12'345'678, "12.345678 12345.678"}};
  for (const auto& each : cases) {
    LineValues values{};
    values.duration_us = each.us;
    CHECK_EQ(Written(shape, values, 1000), each.text);
  }
  LineValues most{};
  most.status = UINT32_MAX;
  most.bytes = most.duration_us = UINT64_MAX;
  most.started_ms = 999;
  CHECK(!Written(Everything(true), most, 1000).empty());
}

// Whatever room there is, a line is written as a whole or not at all.
void KeepsToItsRoom() {
  const std::string whole = Written(Everything(true), Values(), 1000);
  size_t least = 0;
  for (size_t room = 0; room < 400; ++room) {
    const std::string line = Written(Everything(true), Values(), room);
    CHECK(line.empty() || line == whole);
    if (line.empty()) least = room + 1;
  }
  CHECK(least >= whole.size());
  CHECK(least <= whole.size() + 128);
}

bool IsPlainByByte(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f && c != '"' && c != '\\';
  });
}

void KnowsWhatIsPlain() {
  for (size_t length = 0; length <= 24; ++length) {
    CHECK(IsPlain(std::string(length, 'x')));
    for (size_t place = 0; place < length; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(length, ' ');
        text[place] = static_cast<char>(byte);
        CHECK_EQ(IsPlain(text), IsPlainByByte(text));
      }
    }
  }
  std::mt19937 random(5);
  for (int i = 0; i < 100'000; ++i) {
    std::string text(random() % 20, '\0');
    // Mostly next to a border.
    for (char& c : text) c = "\x1f\x20\x21\x22\x23\x5b\x5c\x5d\x7e\x7f\x80"[random() % 11];
    CHECK_EQ(IsPlain(text), IsPlainByByte(text));
  }
}

// A log over memory of one's own.
struct Shared {
  explicit Shared(size_t size) : memory(std::make_unique<char[]>(size)) {
    log.shapes.push_back(Everything(true));
    log.second = 5;
    log.second_text = "12:00:00";
    log.bytes = memory.get();
    log.capacity = size;
    log.cells = cells;
    cells[LineLog::kLimit] = static_cast<uint32_t>(size);
    cells[LineLog::kLongest] = 4096;
  }

  std::unique_ptr<char[]> memory;
  uint32_t cells[4] = {};
  LineLog log;
};

void FillsWhatItIsLent() {
  const std::string whole = Written(Everything(true), Values(), 1000);
  for (size_t size = 0; size < 2000; size += 7) {
    Shared shared(size);
    uint32_t lines = 0;
    for (; shared.log.Takes(0, Values(), 5); ++lines) shared.log.Put(0, Values());
    CHECK_EQ(shared.cells[LineLog::kLines], lines);
    CHECK_EQ(shared.cells[LineLog::kUsed], lines * whole.size());
    CHECK(shared.cells[LineLog::kUsed] <= size);
    for (uint32_t i = 0; i < lines; ++i) CHECK_EQ(std::string(shared.log.bytes + i * whole.size(), whole.size()), whole);
    // No more is left than what the numbers might have taken.
    CHECK(size - shared.cells[LineLog::kUsed] < whole.size() + 128);
  }
}

void AsksWhereItIsNotLent() {
  Shared shared(1000);
  CHECK(shared.log.Takes(0, Values(), 5));
  CHECK(!shared.log.Takes(1, Values(), 5));
  CHECK(!shared.log.Takes(0, Values(), 4));
  CHECK(!shared.log.Takes(0, Values(), 6));
  LineValues odd = Values();
  odd.user_agent = "\"";
  CHECK(!shared.log.Takes(0, odd, 5));
  shared.cells[LineLog::kLongest] = 20;
  CHECK(!shared.log.Takes(0, Values(), 5));
  shared.cells[LineLog::kLongest] = 4096;
  shared.cells[LineLog::kLimit] = 0;
  CHECK(!shared.log.Takes(0, Values(), 5));
  // Whatever is said of it, it is no longer than it is.
  shared.cells[LineLog::kLimit] = 100'000;
  shared.cells[LineLog::kUsed] = 1000;
  CHECK(!shared.log.Takes(0, Values(), 5));
  shared.log.bytes = nullptr;
  shared.cells[LineLog::kUsed] = 0;
  CHECK(!shared.log.Takes(0, Values(), 5));
}

void LeavesTheRestToOthers() {
  for (std::string_view LineValues::*text :
       {&LineValues::client, &LineValues::target, &LineValues::host, &LineValues::referer, &LineValues::user_agent}) {
    for (const char* odd : {"a\"b", "a\\b", "\n", "\xc3\xa4", "\x7f", "12345678\t"}) {
      LineValues values = Values();
      values.*text = odd;
      CHECK_EQ(Written(Everything(true), values, 1000), "");
    }
  }
  LineValues values = Values();
  values.client = "1 2";
  CHECK_EQ(Written(Everything(true), values, 1000), "");
}

}  // namespace
}  // namespace gfserve::test

int main(int argc, char** argv) {
  using namespace gfserve::test;
  if (argc > 1) only = argv[1];
  Run("says everything", SaysEverything);
  Run("writes numbers", WritesNumbers);
  Run("keeps to its room", KeepsToItsRoom);
  Run("knows what is plain", KnowsWhatIsPlain);
  Run("leaves the rest to others", LeavesTheRestToOthers);
  Run("fills what it is lent", FillsWhatItIsLent);
  Run("asks where it is not lent", AsksWhereItIsNotLent);
}
