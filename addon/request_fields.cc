#include "request_fields.h"

namespace gfserve {

namespace {

// Methods have no more; a longer one is something else than a method.
constexpr size_t kLongestMethod = 64;

uint32_t BitOf(std::string_view name) {
  switch (name.size()) {
    case 5:
      return name == "range" ? kHasRange : 0;
    case 8:
      return name == "if-match" ? kHasIfMatch : 0;
    case 13:
      return name == "if-none-match" ? kHasIfNoneMatch : 0;
    case 14:
      return name == "content-length" ? kHasContentLength : 0;
    case 15:
      if (name == "accept-encoding") return kHasAcceptEncoding;
      return name == "x-forwarded-for" ? kHasForwardedFor : 0;
    case 17:
      if (name == "if-modified-since") return kHasIfModifiedSince;
      return name == "transfer-encoding" ? kHasTransferEncoding : 0;
    case 19:
      return name == "if-unmodified-since" ? kHasIfUnmodifiedSince : 0;
    default:
      return 0;
  }
}

}  // namespace

const Field* FieldsOf(v8::Local<v8::Value> request) {
  if (!request->IsObject()) return nullptr;
  const auto object = request.As<v8::Object>();
  if (object->InternalFieldCount() < 1) return nullptr;
  const auto* fields = static_cast<const Field*>(object->GetAlignedPointerFromInternalField(0));
  if (!fields || fields->name.empty() || fields->name.size() > kLongestMethod) return nullptr;
  return fields;
}

uint32_t BitsOf(const Field* fields) {
  uint32_t bits = 0;
  for (const Field* field = fields + 1; !field->name.empty(); ++field) {
    if (!field->value.empty()) bits |= BitOf(field->name);
  }
  return bits;
}

}  // namespace gfserve
