// What a process may still do after it has given up root. Capabilities and bounding sets belong to threads, and by the time
// JavaScript runs there are a dozen: each change here is made in every one of them, as glibc does for setuid().
// Stands alone: knows neither Node nor gfapi. Main thread only, and no other thread may change credentials meanwhile.
#pragma once

#include <cstdint>

namespace gfserve {

// Before setuid(): has every thread keep what it is permitted over the change of user, and gives up for good, in the bounding
// set, everything that is not in `kept` (bits as in /proc/PID/status). 0, or an errno; then some threads may have done it.
int KeepCapabilities(uint64_t kept);

// After setuid(): every thread has exactly `kept`, permitted and effective, and nothing inheritable. 0, or an errno: EPERM
// where one of them is not permitted.
int SetCapabilities(uint64_t kept);

}  // namespace gfserve
