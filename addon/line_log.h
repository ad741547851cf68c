// An access log as native code sees it: shapes of lines, and memory of JavaScript's to write them into.
// Knows neither Node nor uWebSockets.js; whoever uses it does so on one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "access_line.h"

namespace gfserve {

struct LineLog {
  // The same as `Cell` in src/observe/access_log.ts.
  enum Cell : size_t {
    // Bytes of the chunk that have lines in them, and how many lines those are.
    kUsed,
    kLines,
    // Up to where native code may fill it without asking JavaScript; 0: it may not.
    kLimit,
    // Bytes that a line may have.
    kLongest,
  };

  std::vector<LineShape> shapes;
  // Since 1970, and as text.
  double second = -1;
  std::string second_text;
  // The chunk, and what is said of it by both sides.
  char* bytes = nullptr;
  size_t capacity = 0;
  uint32_t* cells = nullptr;

  // Whether such a line, of a request that began in `second`, can be put there without asking.
  bool Takes(uint32_t shape, const LineValues& values, int64_t began) const {
    if (!bytes || shape >= shapes.size() || second != static_cast<double>(began)) return false;
    const size_t limit = std::min<size_t>(cells[kLimit], capacity);
    if (cells[kUsed] >= limit) return false;
    const size_t longest = shapes[shape].Measure(values, second_text);
    return longest != 0 && longest <= std::min<size_t>(limit - cells[kUsed], cells[kLongest]);
  }

  // Only where it `Takes` one with the same texts.
  void Put(uint32_t shape, const LineValues& values) {
    cells[kUsed] += static_cast<uint32_t>(shapes[shape].Put(values, second_text, bytes + cells[kUsed]));
    cells[kLines] += 1;
  }
};

}  // namespace gfserve
