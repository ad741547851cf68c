// Which connection a response of uWebSockets.js belongs to.
// Stands alone: knows neither gfapi nor Node-API. Loop thread only, as V8's objects are.
#pragma once

#include <v8.h>

#include <cstdint>

namespace gfserve {

// The address of the us_socket_t behind a `res`, which uWebSockets.js keeps in its first internal field: the same for all
// requests of a connection, from the handler of App.filter on; another connection's once that one is closed.
// 0: it is no `res`, or one whose response has ended.
std::uintptr_t SocketOfResponse(v8::Local<v8::Value> response);

}  // namespace gfserve
