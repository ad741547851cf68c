// Answers that are at hand as bytes, and which request each of them is for. Knows of neither sockets nor JavaScript; whoever
// uses it does so on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gfserve {

// A GET of which nothing but these decides the answer. Views into what was read.
struct PlainGet {
  // Of the target, without the query.
  std::string_view path;
  // With it.
  std::string_view target;
  std::string_view host;
  std::string_view accept_encoding;
  std::string_view if_none_match;
  // It has Range or If-Modified-Since, which only do not count where If-None-Match names what is there (RFC 9110 §13.2.2).
  bool needs_match;
  // These don't, but are told in the log.
  std::string_view referer;
  std::string_view user_agent;
  std::string_view forwarded_for;
};

// Whether `bytes` are the head of one such request, whole, and nothing else. Whatever is unusual about it, right or wrong, is for
// others to judge: then it is not one.
bool ReadPlainGet(std::string_view bytes, PlainGet& get);

// What a mount's requests are counted by, as in src/observe/request_counters.ts: numbers that JavaScript adds to as well.
struct QuickCounters {
  double* cells;
};

// An answer as JavaScript hands it over. The body stays where it is as long as the epoch is the same.
struct QuickAnswer {
  std::string_view key;
  std::string_view etag;
  // Status and fields of the 200, without what follows them; empty: there is none.
  std::string_view whole_head;
  std::string_view body;
  // The same of the 304; empty: there is none.
  std::string_view not_modified_head;
  // When it ceases to be fresh, in milliseconds of CLOCK_MONOTONIC.
  double until_ms;
  QuickCounters counters;
  // Whoever gives it is told: what its lines in the log look like.
  uint32_t line_shape;
};

class QuickTable {
 public:
  struct Options {
    // What of a request is part of its key, beside its path.
    bool by_host;
    bool by_accept_encoding;
    // Grows with whatever may make any of the answers another one, or its body move.
    const double* epoch;
    // Upper bounds of the durations that are told apart, in milliseconds.
    std::vector<double> bounds_ms;
  };

  // A request's answer: head and body are valid until the next call. `head` is null where there is none.
  struct Found {
    const char* head = nullptr;
    size_t head_length = 0;
    const char* body = nullptr;
    size_t body_length = 0;
    uint32_t slot = 0;
    uint32_t line_shape = 0;
    // A 200, not a 304.
    bool is_whole = false;
  };

  static constexpr size_t kMostSlots = 1024;
  // Longer bodies than this are not taken.
  static constexpr size_t kLongestBody = 128 * 1024;

  explicit QuickTable(Options options);
  QuickTable(const QuickTable&) = delete;
  QuickTable& operator=(const QuickTable&) = delete;

  // Takes an answer for as long as the epoch is what it is now. The number of its slot; -1: it is not taken.
  int32_t Arm(const QuickAnswer& answer);

  // Forgets all answers, and how often they were given.
  void Clear();

  // What may be given now. `now_ms` of CLOCK_MONOTONIC; `second` since 1970, for Date. `tells_status`: with a Cache-Status.
  Found Find(const PlainGet& get, double now_ms, int64_t second, bool tells_status);

  // It was given.
  void Count(const Found& found, double duration_ms);

  // Puts pairs of slot and how often it was used since the last call into `pairs`, and says how many there are; others wait.
  size_t TakeHits(uint32_t* pairs, size_t room);

  size_t size() const { return slots_.size(); }

 private:
  // A head without what changes with time, and as it was sent last.
  struct Head {
    std::string fields;
    // Behind the date.
    std::string rest;
    std::string bytes;
    int64_t second = -1;
    // In seconds; kNoStatus: it has no Cache-Status.
    int64_t ttl = 0;
  };

  struct Slot {
    std::string key;
    std::string etag;
    Head whole;
    Head not_modified;
    std::string_view body;
    double epoch = -1;
    double until_ms = 0;
    double* counters = nullptr;
    uint32_t line_shape = 0;
    uint32_t hits = 0;
    uint32_t next = 0;
  };

  uint64_t HashOf(std::string_view key) const;
  std::string_view KeyOf(const PlainGet& get);
  // kNone: there is none. `length`: of the chain, as far as it was followed.
  uint32_t Look(std::string_view key, size_t bucket, size_t& length) const;
  static Head MakeHead(std::string_view head, const std::string& rest);
  const std::string& HeadAt(Head& head, int64_t second, int64_t ttl);
  const std::string& DateAt(int64_t second);

  const Options options_;
  const uint64_t seed_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> buckets_;
  std::vector<uint32_t> touched_;
  std::string key_;
  // The text of `date_second_`.
  std::string date_;
  int64_t date_second_ = -1;
};

}  // namespace gfserve
