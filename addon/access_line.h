// A line of the access log, from pieces that JavaScript has laid down, for requests of which nothing has to be escaped.
// Stands alone: knows neither Node nor uWebSockets.js. Each object is one thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gfserve {

// What a line says of a request.
struct LineValues {
  std::string_view client, target, host, referer, user_agent;
  uint32_t status;
  // Of the body.
  uint64_t bytes;
  uint32_t started_ms;  // within its second
  uint64_t duration_us;
};

// The same numbers as `Slot` in src/observe/access_line.ts.
enum class Slot : uint32_t {
  kClient,
  kTarget,
  kHost,
  kReferer,
  kUserAgent,
  // The text of the second in which the request began.
  kSecond,
  // Three digits.
  kMillisecond,
  kStatus,
  kBytes,
  // The duration in seconds, with six decimals.
  kSeconds,
  // The duration in milliseconds, as JavaScript writes a number that was rounded to three decimals.
  kMilliseconds,
  // On top of one of the first five: a hyphen stands for what is empty.
  kOrHyphen = 32,
};

class LineShape {
 public:
  void AddText(std::string_view text);
  // Each at most once: how long a line may become is counted so.
  void AddSlot(uint32_t slot);

  // How long such a line is at most, whatever the numbers are; `second` is the text for kSecond. 0: something has to be escaped:
  // control characters, what is not ASCII, quotes and backslashes, and spaces in the client.
  size_t Measure(const LineValues& values, std::string_view second) const;

  // Writes a line, which can be measured, to `out`, where there is room for the longest. Returns its length.
  size_t Put(const LineValues& values, std::string_view second, char* out) const;

  // Both: returns the line's length, or 0 where nothing was written, as it would have to be escaped or might not fit into `room`.
  size_t Write(const LineValues& values, std::string_view second, char* out, size_t room) const;

 private:
  struct Piece {
    // Slot, or kText.
    uint32_t slot;
    // Where its text begins and how long it is.
    uint32_t begin, length;
  };

  std::string text_;
  std::vector<Piece> pieces_;
};

// Whether all are printable ASCII characters that neither JSON nor a quoted string of nginx' logs has to escape.
bool IsPlain(std::string_view text);

}  // namespace gfserve
