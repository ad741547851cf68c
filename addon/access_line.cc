#include "access_line.h"

#include <array>
#include <cassert>
#include <cstring>

namespace gfserve {

namespace {

constexpr uint32_t kText = UINT32_MAX;
constexpr uint32_t kOrHyphen = static_cast<uint32_t>(Slot::kOrHyphen);
// More than all numbers of a line have together, so that only texts have to be asked for their length.
constexpr size_t kNumbers = 128;

constexpr uint64_t Each(uint8_t byte) { return 0x0101010101010101u * byte; }

// The high bit of a byte, or of one above it, is set where a byte is 0: none is where none is.
constexpr uint64_t HasZero(uint64_t word) { return (word - Each(1)) & ~word & Each(0x80); }

char* PutDigits(char* out, uint64_t number, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  return out + digits;
}

char* PutNumber(char* out, uint64_t number) {
  int digits = 1;
  for (uint64_t rest = number / 10; rest != 0; rest /= 10) ++digits;
  return PutDigits(out, number, digits);
}

char* PutSeconds(char* out, uint64_t us) {
  out = PutNumber(out, us / 1000000);
  *out++ = '.';
  return PutDigits(out, us % 1000000, 6);
}

char* PutMilliseconds(char* out, uint64_t us) {
  out = PutNumber(out, us / 1000);
  uint64_t rest = us % 1000;
  if (rest == 0) return out;
  *out++ = '.';
  int digits = 3;
  for (; rest % 10 == 0; rest /= 10) --digits;
  return PutDigits(out, rest, digits);
}

char* PutText(char* out, std::string_view text) {
  // An empty one may point nowhere, which memcpy must not be given.
  if (text.empty()) return out;
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// By their slots.
std::array<std::string_view, 5> TextsOf(const LineValues& values) {
  return {values.client, values.target, values.host, values.referer, values.user_agent};
}

}  // namespace

bool IsPlain(std::string_view text) {
  const char* at = text.data();
  size_t left = text.size();
  uint64_t odd = 0;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    // Bytes below 0x20 borrow from the high bit; those from 0x80 on have it.
    odd |= (word - Each(0x20)) | word | HasZero(word ^ Each('"')) | HasZero(word ^ Each('\\')) |
           HasZero(word ^ Each(0x7f));
  }
  bool is_odd = (odd & Each(0x80)) != 0;
  for (; left > 0; ++at, --left) {
    const auto c = static_cast<unsigned char>(*at);
    is_odd |= c < 0x20 || c >= 0x7f || c == '"' || c == '\\';
  }
  return !is_odd;
}

void LineShape::AddText(std::string_view text) {
  pieces_.push_back({kText, static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(text.size())});
  text_ += text;
}

void LineShape::AddSlot(uint32_t slot) { pieces_.push_back({slot, 0, 0}); }

size_t LineShape::Measure(const LineValues& values, std::string_view second) const {
  size_t longest = text_.size() + second.size() + kNumbers;
  for (const std::string_view text : TextsOf(values)) {
    if (!IsPlain(text)) return 0;
    longest += text.size();
  }
  return values.client.find(' ') == std::string_view::npos ? longest : 0;
}

size_t LineShape::Write(const LineValues& values, std::string_view second, char* out, size_t room) const {
  const size_t longest = Measure(values, second);
  return longest == 0 || longest > room ? 0 : Put(values, second, out);
}

size_t LineShape::Put(const LineValues& values, std::string_view second, char* out) const {
  const auto texts = TextsOf(values);
  char* at = out;
  for (const Piece& piece : pieces_) {
    if (piece.slot == kText) {
      at = PutText(at, std::string_view(text_).substr(piece.begin, piece.length));
      continue;
    }
    switch (static_cast<Slot>(piece.slot)) {
      case Slot::kSecond:
        at = PutText(at, second);
        break;
      case Slot::kMillisecond:
        at = PutDigits(at, values.started_ms, 3);
        break;
      case Slot::kStatus:
        at = PutNumber(at, values.status);
        break;
      case Slot::kBytes:
        at = PutNumber(at, values.bytes);
        break;
      case Slot::kSeconds:
        at = PutSeconds(at, values.duration_us);
        break;
      case Slot::kMilliseconds:
        at = PutMilliseconds(at, values.duration_us);
        break;
      default: {
        const uint32_t number = piece.slot & ~kOrHyphen;
        assert(number < texts.size());
        const std::string_view text = texts[number];
        at = PutText(at, text.empty() && (piece.slot & kOrHyphen) != 0 ? "-" : text);
      }
    }
  }
  return static_cast<size_t>(at - out);
}

}  // namespace gfserve
