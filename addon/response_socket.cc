#include "response_socket.h"

namespace gfserve {

std::uintptr_t SocketOfResponse(v8::Local<v8::Value> response) {
  if (!response->IsObject()) return 0;
  const auto object = response.As<v8::Object>();
  if (object->InternalFieldCount() < 1) return 0;
  return reinterpret_cast<std::uintptr_t>(object->GetAlignedPointerFromInternalField(0));
}

}  // namespace gfserve
