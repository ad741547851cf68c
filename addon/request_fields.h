// What uWebSockets.js has parsed of a request, read where it keeps it.
// Stands alone: knows neither gfapi nor Node-API. Loop thread only, as V8's objects are.
#pragma once

#include <v8.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gfserve {

// A line of the head: its name in lower case and its value. Of the first one: the method and the target, query and all.
struct Field {
  std::string_view name, value;
};

// The lines behind a `req`, from the request line on; the one behind the last has an empty name. They are only valid within the
// handler that was called with it. nullptr: it is no `req`, or its handler has returned.
//
// What uWebSockets.js 20.0.8 keeps in a req's first internal field is its HttpRequest, which begins with these
// (`headers` in uWebSockets/src/HttpParser.h); it is compiled against the same C++ library as this, whose string_view it uses.
const Field* FieldsOf(v8::Local<v8::Value> request);

// Bits for the fields that a request has, and that are not empty. The same numbers as `Has` in src/http/fields.ts.
constexpr uint32_t kHasIfNoneMatch = 1;
constexpr uint32_t kHasIfModifiedSince = 2;
constexpr uint32_t kHasRange = 4;
constexpr uint32_t kHasAcceptEncoding = 8;
constexpr uint32_t kHasForwardedFor = 16;
constexpr uint32_t kHasIfMatch = 32;
constexpr uint32_t kHasIfUnmodifiedSince = 64;
constexpr uint32_t kHasContentLength = 128;
constexpr uint32_t kHasTransferEncoding = 256;

uint32_t BitsOf(const Field* fields);

}  // namespace gfserve
