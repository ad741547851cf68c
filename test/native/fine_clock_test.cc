// FineClock: that it goes as CLOCK_MONOTONIC does.
#include "../../addon/fine_clock.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "check.h"

namespace gfserve::test {
namespace {

double SystemMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

// What it says lies between two looks at the system's clock, or beside them by less than it may.
void GoesAsTheSystemsDoes() {
  FineClock clock;
  std::vector<double> beside;
  double last = 0;
  const double end = SystemMs() + 500;
  for (double before = SystemMs(); before < end; before = SystemMs()) {
    const double now = clock.NowMs();
    const double after = SystemMs();
    CHECK(now >= last);
    last = now;
    beside.push_back(std::max({0.0, before - now, now - after}));
    CHECK(beside.back() < 1);
  }
  std::nth_element(beside.begin(), beside.begin() + beside.size() / 2, beside.end());
  CHECK(beside[beside.size() / 2] < 0.01);
}

void GoesOnWhileNobodyLooks() {
  FineClock clock;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 1000; ++i) clock.NowMs();
    usleep(20'000);
    const double before = SystemMs();
    CHECK(clock.NowMs() > before - 0.1);
  }
}

}  // namespace
}  // namespace gfserve::test

int main() {
  using namespace gfserve::test;
  GoesAsTheSystemsDoes();
  GoesOnWhileNobodyLooks();
  return 0;
}
