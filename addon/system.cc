// A module of its own, without libgfapi, which the supervisor must not load: what Node has no calls for.
// Everything returns 0 or an errno.
#include <napi.h>

#include <cassert>
#include <string>

#include "credentials.h"
#include "notify.h"

namespace gfserve {

namespace {

uint64_t Bits(const Napi::Value& value) {
  bool lossless = false;
  const uint64_t bits = value.As<Napi::BigInt>().Uint64Value(&lossless);
  assert(lossless);
  return bits;
}

// keepCapabilities(bits: bigint) → errno
Napi::Value Keep(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), KeepCapabilities(Bits(info[0])));
}

// setCapabilities(bits: bigint) → errno
Napi::Value Set(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), SetCapabilities(Bits(info[0])));
}

// sendDatagram(path, text) → errno
Napi::Value Send(const Napi::CallbackInfo& info) {
  const int error = SendDatagram(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
  return Napi::Number::New(info.Env(), error);
}

Napi::Object InitModule(Napi::Env env, Napi::Object exports) {
  exports.Set("keepCapabilities", Napi::Function::New<Keep>(env));
  exports.Set("setCapabilities", Napi::Function::New<Set>(env));
  exports.Set("sendDatagram", Napi::Function::New<Send>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(gfserve_system, InitModule)

}  // namespace gfserve
