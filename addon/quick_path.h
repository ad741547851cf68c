// Lets a table answer before uWebSockets.js has seen the request. See docs/adr/0016-answers-before-the-parser.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "line_log.h"
#include "quick_clients.h"
#include "quick_table.h"

namespace gfserve {

// What requests to one App are answered from and told to.
struct QuickSite {
  explicit QuickSite(QuickTable::Options options) : table(std::move(options)) {}

  QuickTable table;
  // null: requests have no lines.
  LineLog* log = nullptr;
  // Some peers are proxies that are trusted: they speak for others, and are told by Cache-Status how an answer came about.
  bool trusts = false;
  ForwardedClients forwarded;
  bool enabled = true;
};

// `socket`: of a connection of uWebSockets.js that has just been opened, as response_socket.h tells it. From then on the site is
// asked first on all connections of its App, until it is detached. `epoll`: what they are waited for by. false: uWebSockets.js is not the one that this knows.
bool AttachQuickSite(std::uintptr_t socket, QuickSite* site, int epoll);

// It is not used any more.
void DetachQuickSite(const QuickSite* site);

// Who is at the other end of a connection, for requests that have to tell; by the time it has been asked, at its first request.
void TellPeer(std::uintptr_t socket, std::string_view address, bool is_trusted);

// It was opened: what was told of its descriptor was told of another one.
void ForgetPeer(std::uintptr_t socket);

}  // namespace gfserve
