// Lets a table answer before uWebSockets.js has seen the request. See docs/adr/0016-answers-before-the-parser.md.
#pragma once

#include <cstdint>

#include "quick_table.h"

namespace gfserve {

// `socket`: of a connection of uWebSockets.js that has just been opened, as response_socket.h tells it. From then on the table is
// asked first on all connections of its App, until it is detached. `epoll`: what they are waited for by. false: uWebSockets.js is not the one that this knows.
bool AttachQuickTable(std::uintptr_t socket, QuickTable* table, int epoll);

// It is not used any more.
void DetachQuickTable(const QuickTable* table);

}  // namespace gfserve
