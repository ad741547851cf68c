// CLOCK_MONOTONIC for who asks for it at each of many short steps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace gfserve {

// Within a millisecond of a look at the system's clock the processor's own counter tells the time, which takes a fourth of what a
// look takes. How long its ticks are is measured anew ten times a second; so whatever becomes of it, moved to another core or
// another machine, it can't be wrong by more than that millisecond. Of one thread.
class FineClock {
 public:
  // Milliseconds of CLOCK_MONOTONIC; never less than before.
  double NowMs() {
#if defined(__x86_64__)
    const uint64_t ticks = __rdtsc();
    const uint64_t since = ticks - looked_ticks_;
    last_ms_ = std::max(last_ms_, since < most_ticks_ ? looked_ms_ + static_cast<double>(since) * tick_ms_ : Look(ticks));
    return last_ms_;
#else
    return SystemMs();
#endif
  }

 private:
  static constexpr double kMostMs = 1;
  static constexpr double kMeasuredMs = 100;
  // Of counters that are as fast as any processor's: others are not used.
  static constexpr double kLongestTickMs = 1e-4;

  static double SystemMs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
  }

  double Look(uint64_t ticks) {
    const double now_ms = SystemMs();
    if (now_ms - measured_ms_ >= kMeasuredMs) {
      tick_ms_ = (now_ms - measured_ms_) / static_cast<double>(ticks - measured_ticks_);
      const bool is_usable = measured_ticks_ != 0 && ticks > measured_ticks_ && tick_ms_ < kLongestTickMs;
      most_ticks_ = is_usable ? static_cast<uint64_t>(kMostMs / tick_ms_) : 0;
      measured_ms_ = now_ms;
      measured_ticks_ = ticks;
    }
    looked_ms_ = now_ms;
    looked_ticks_ = ticks;
    return now_ms;
  }

  // 0: the counter is not used.
  uint64_t most_ticks_ = 0;
  uint64_t looked_ticks_ = 0;
  double looked_ms_ = 0;
  double tick_ms_ = 0;
  double last_ms_ = 0;
  uint64_t measured_ticks_ = 0;
  double measured_ms_ = 0;
};

}  // namespace gfserve
