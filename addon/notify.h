// sd_notify(3) by hand: one datagram to the socket that a service manager names. Stands alone; any thread.
#pragma once

#include <string>

namespace gfserve {

// `path`: absolute, or '@' and a name in the abstract namespace. Never blocks. 0, or an errno: EAGAIN where the receiver's
// queue is full.
int SendDatagram(const std::string& path, const std::string& text);

}  // namespace gfserve
