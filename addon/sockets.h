// Listening sockets by their descriptors, so that a worker can leave them to its successor.
// Stands alone: knows neither Node nor gfapi. Loop thread only, as the descriptors are the event loop's.
#pragma once

#include <vector>

namespace gfserve {

// The descriptors of all sockets of this process that listen, in ascending order.
std::vector<int> ListeningSockets();

// Another descriptor of the same socket, which the caller owns; -1 with errno where there is none to be had.
int DuplicateSocket(int fd);

// Puts the socket behind `with` also behind `fd`, whose own is closed. `with` stays the caller's. False with errno.
bool ReplaceSocket(int fd, int with);

}  // namespace gfserve
