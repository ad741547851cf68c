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
// another machine, it is not wrong by more than that millisecond, nor for longer. Of one thread.
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
  static double SystemMs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
  }

#if defined(__x86_64__)
  static constexpr double kMostMs = 1;
  static constexpr double kMeasuredMs = 100;
  // A counter below 10 MHz is not a processor's, and is not used.
  static constexpr double kLongestTickMs = 1e-4;

  double Look(uint64_t ticks) {
    const double now_ms = SystemMs();
    if (now_ms - measured_ms_ >= kMeasuredMs) {
      const uint64_t passed = ticks - measured_ticks_;
      tick_ms_ = (now_ms - measured_ms_) / static_cast<double>(passed);
      // Whoever was interrupted between the two clocks has measured nothing.
      const bool is_exact = __rdtsc() - ticks < passed / 1000;
      const bool is_usable = is_exact && measured_ticks_ != 0 && ticks > measured_ticks_ && tick_ms_ < kLongestTickMs;
      most_ticks_ = is_usable ? static_cast<uint64_t>(kMostMs / tick_ms_) : 0;
      measured_ms_ = now_ms;
      measured_ticks_ = is_exact ? ticks : 0;
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
#endif
};

}  // namespace gfserve
