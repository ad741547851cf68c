// A module of its own, without libgfapi: what uWebSockets.js does not tell JavaScript, or only at a call for each field.
// By Node-API's own calls: its C++ wrapper takes as long as what is done here.
// All of it runs on the loop thread.
#include <node_api.h>
#include <node_version.h>
#include <uv.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "access_line.h"
#include "eager_turns.h"
#include "line_log.h"
#include "quick_path.h"
#include "quick_table.h"
#include "request_fields.h"
#include "response_socket.h"

namespace gfserve {

namespace {

// A caller in TypeScript has checked what it passes.
void Check(napi_status status) {
  assert(status == napi_ok);
  (void)status;
}

template <size_t N>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = N;
    Check(napi_get_cb_info(env, info, &count, values, nullptr, nullptr));
    assert(count >= N);
  }

  napi_value values[N];
};

// What a napi_value of Node.js is, and has been since there are any; there is no call that says so.
v8::Local<v8::Value> Local(napi_value value) {
  v8::Local<v8::Value> local;
  static_assert(sizeof(local) == sizeof(value));
  std::memcpy(static_cast<void*>(&local), &value, sizeof(value));
  return local;
}

double Double(napi_env env, napi_value value) {
  double number = 0;
  Check(napi_get_value_double(env, value, &number));
  return number;
}

uint32_t Uint32(napi_env env, napi_value value) {
  uint32_t number = 0;
  Check(napi_get_value_uint32(env, value, &number));
  return number;
}

napi_value Number(napi_env env, uint32_t number) {
  napi_value value = nullptr;
  Check(napi_create_uint32(env, number, &value));
  return value;
}

std::string Latin1(napi_env env, napi_value value) {
  size_t length = 0;
  Check(napi_get_value_string_latin1(env, value, nullptr, 0, &length));
  std::string bytes(length, '\0');
  Check(napi_get_value_string_latin1(env, value, bytes.data(), length + 1, &length));
  return bytes;
}

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  Check(napi_typeof(env, value, &type));
  return type;
}

// The bytes of a typed array; none of null.
std::string_view Bytes(napi_env env, napi_value value) {
  if (TypeOf(env, value) == napi_null) return {};
  void* bytes = nullptr;
  size_t length = 0;
  Check(napi_get_buffer_info(env, value, &bytes, &length));
  return {static_cast<const char*>(bytes), length};
}

bool Bool(napi_env env, napi_value value) {
  bool is = false;
  Check(napi_get_value_bool(env, value, &is));
  return is;
}

napi_value Boolean(napi_env env, bool is) {
  napi_value value = nullptr;
  Check(napi_get_boolean(env, is, &value));
  return value;
}

// Of one access log.
struct Log : LineLog {
  // Keep alive what lines are written into, and the cells, which are JavaScript's.
  napi_ref chunk = nullptr;
  napi_ref cells_array = nullptr;
};

// Answers that are given before JavaScript is asked, with the memory of JavaScript's that they are counted in.
struct Quick {
  explicit Quick(QuickTable::Options options) : site(std::move(options)) {}
  ~Quick() { DetachQuickSite(&site); }

  QuickSite site;
  std::vector<QuickCounters> counters;
  // What keeps that memory, and the epoch.
  std::vector<napi_ref> references;
};

// Of one environment, which deletes it.
struct Instance {
  std::vector<std::unique_ptr<Log>> logs;
  std::vector<std::unique_ptr<Quick>> quicks;
};

Instance& InstanceOf(napi_env env) {
  void* instance = nullptr;
  Check(napi_get_instance_data(env, &instance));
  return *static_cast<Instance*>(instance);
}

Log& LogOf(napi_env env, napi_value number) {
  Log* log = InstanceOf(env).logs[Uint32(env, number)].get();
  assert(log);
  return *log;
}

Quick& QuickOf(napi_env env, napi_value number) {
  Quick* quick = InstanceOf(env).quicks[Uint32(env, number)].get();
  assert(quick);
  return *quick;
}

// socketOf(res) → a number that stands for the connection of a response of uWebSockets.js, or 0
napi_value SocketOf(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  napi_value socket = nullptr;
  Check(napi_create_double(env, static_cast<double>(SocketOfResponse(Local(in.values[0]))), &socket));
  return socket;
}

// fieldsOf(req) → the bits of request_fields.h, or -1
napi_value GetBits(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  const Field* fields = FieldsOf(Local(in.values[0]));
  napi_value bits = nullptr;
  Check(napi_create_int32(env, fields ? static_cast<int32_t>(BitsOf(fields)) : -1, &bits));
  return bits;
}

// openLog(cells) → log. `cells`: a Uint32Array, see LineLog::Cell
napi_value OpenLog(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  auto& logs = InstanceOf(env).logs;
  logs.push_back(std::make_unique<Log>());
  Log& log = *logs.back();
  log.cells = reinterpret_cast<uint32_t*>(const_cast<char*>(Bytes(env, in.values[0]).data()));
  Check(napi_create_reference(env, in.values[0], 1, &log.cells_array));
  return Number(env, static_cast<uint32_t>(logs.size() - 1));
}

void LetGo(napi_env env, Log& log) {
  if (log.chunk) Check(napi_delete_reference(env, log.chunk));
  log.chunk = nullptr;
  log.bytes = nullptr;
  log.capacity = 0;
}

// setChunk(log, buffer): what lines are written into from now on
napi_value SetChunk(napi_env env, napi_callback_info info) {
  const Arguments<2> in(env, info);
  Log& log = LogOf(env, in.values[0]);
  LetGo(env, log);
  void* bytes = nullptr;
  Check(napi_get_buffer_info(env, in.values[1], &bytes, &log.capacity));
  log.bytes = static_cast<char*>(bytes);
  Check(napi_create_reference(env, in.values[1], 1, &log.chunk));
  return nullptr;
}

// setSecond(log, second, text): since 1970; how lines tell of it
napi_value SetSecond(napi_env env, napi_callback_info info) {
  const Arguments<3> in(env, info);
  Log& log = LogOf(env, in.values[0]);
  log.second = Double(env, in.values[1]);
  log.second_text = Latin1(env, in.values[2]);
  return nullptr;
}

// addShape(log, pieces) → shape. Texts are strings of Latin-1, slots are numbers.
napi_value AddShape(napi_env env, napi_callback_info info) {
  const Arguments<2> in(env, info);
  LineShape shape;
  uint32_t count = 0;
  Check(napi_get_array_length(env, in.values[1], &count));
  for (uint32_t i = 0; i < count; ++i) {
    napi_value piece = nullptr;
    Check(napi_get_element(env, in.values[1], i, &piece));
    if (TypeOf(env, piece) == napi_string) shape.AddText(Latin1(env, piece));
    else shape.AddSlot(Uint32(env, piece));
  }
  auto& shapes = LogOf(env, in.values[0]).shapes;
  shapes.push_back(std::move(shape));
  return Number(env, static_cast<uint32_t>(shapes.size() - 1));
}

// Texts of a request that are in its head. The first of several fields counts, as for uWebSockets.js.
void ReadHead(const Field* fields, LineValues& values) {
  values.target = fields->value;
  bool has_host = false, has_referer = false, has_agent = false;
  for (const Field* field = fields + 1; !field->name.empty(); ++field) {
    const std::string_view name = field->name;
    if (name == "host" && !has_host) {
      has_host = true;
      values.host = field->value;
    } else if (name == "referer" && !has_referer) {
      has_referer = true;
      values.referer = field->value;
    } else if (name == "user-agent" && !has_agent) {
      has_agent = true;
      values.user_agent = field->value;
    }
  }
}

// putLine(log, shape, used, longest, req, client, status, bytes, startedMs, durationUs)
//   → how long the line is that now stands in the chunk behind its first `used` bytes; 0: none does
napi_value PutLine(napi_env env, napi_callback_info info) {
  const Arguments<10> in(env, info);
  const Log& log = LogOf(env, in.values[0]);
  const double started_ms = Double(env, in.values[8]);
  const double second = std::floor(started_ms / 1000);
  const auto used = static_cast<size_t>(Uint32(env, in.values[2]));
  const Field* fields = FieldsOf(Local(in.values[4]));
  char client[64];
  size_t client_length = 0;
  Check(napi_get_value_string_utf8(env, in.values[5], client, sizeof(client), &client_length));
  // One that was too long is cut short by at most a character of four bytes.
  const bool is_whole = client_length + 4 < sizeof(client);
  if (!fields || second != log.second || !log.bytes || used > log.capacity || !is_whole) return Number(env, 0);

  LineValues values{};
  ReadHead(fields, values);
  values.client = {client, client_length};
  values.status = Uint32(env, in.values[6]);
  values.bytes = static_cast<uint64_t>(Double(env, in.values[7]));
  values.started_ms = static_cast<uint32_t>(started_ms - second * 1000);
  values.duration_us = static_cast<uint64_t>(Double(env, in.values[9]));
  const size_t longest = Uint32(env, in.values[3]);
  const size_t room = std::min(log.capacity - used, longest);
  const LineShape& shape = log.shapes[Uint32(env, in.values[1])];
  return Number(env, static_cast<uint32_t>(shape.Write(values, log.second_text, log.bytes + used, room)));
}

// closeLog(log)
napi_value CloseLog(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  Log& log = LogOf(env, in.values[0]);
  for (const auto& quick : InstanceOf(env).quicks) {
    if (quick->site.log != &log) continue;
    quick->site.enabled = false;
    quick->site.log = nullptr;
  }
  LetGo(env, log);
  Check(napi_delete_reference(env, log.cells_array));
  InstanceOf(env).logs[Uint32(env, in.values[0])].reset();
  return nullptr;
}

// The numbers of a Float64Array, which is kept.
double* KeepNumbers(napi_env env, napi_value array, std::vector<napi_ref>& references) {
  napi_ref reference = nullptr;
  Check(napi_create_reference(env, array, 1, &reference));
  references.push_back(reference);
  return reinterpret_cast<double*>(const_cast<char*>(Bytes(env, array).data()));
}

// openQuick(epoch, bounds, byHost, byAcceptEncoding, log, trusts) → quick. `epoch`: a Float64Array of one number. `bounds`: a
// Float64Array. `log`: a number, or null: answers have no lines.
napi_value OpenQuick(napi_env env, napi_callback_info info) {
  const Arguments<6> in(env, info);
  std::vector<napi_ref> references;
  QuickTable::Options options{};
  options.epoch = KeepNumbers(env, in.values[0], references);
  const std::string_view bounds = Bytes(env, in.values[1]);
  options.bounds_ms.resize(bounds.size() / sizeof(double));
  std::memcpy(options.bounds_ms.data(), bounds.data(), options.bounds_ms.size() * sizeof(double));
  options.by_host = Bool(env, in.values[2]);
  options.by_accept_encoding = Bool(env, in.values[3]);
  auto& quicks = InstanceOf(env).quicks;
  quicks.push_back(std::make_unique<Quick>(std::move(options)));
  quicks.back()->references = std::move(references);
  if (TypeOf(env, in.values[4]) != napi_null) quicks.back()->site.log = &LogOf(env, in.values[4]);
  quicks.back()->site.trusts = Bool(env, in.values[5]);
  return Number(env, static_cast<uint32_t>(quicks.size() - 1));
}

// addCounters(quick, cells) → counters. `cells`: a Float64Array.
napi_value AddCounters(napi_env env, napi_callback_info info) {
  const Arguments<2> in(env, info);
  Quick& quick = QuickOf(env, in.values[0]);
  quick.counters.push_back({KeepNumbers(env, in.values[1], quick.references)});
  return Number(env, static_cast<uint32_t>(quick.counters.size() - 1));
}

// attachQuick(quick, res) → whether it is asked first from now on. `res`: of a connection that has just been opened.
napi_value AttachQuick(napi_env env, napi_callback_info info) {
  const Arguments<2> in(env, info);
  uv_loop_t* loop = nullptr;
  Check(napi_get_uv_event_loop(env, &loop));
  QuickSite& site = QuickOf(env, in.values[0]).site;
  const bool is_attached = AttachQuickSite(SocketOfResponse(Local(in.values[1])), &site, uv_backend_fd(loop));
  if (is_attached && StartEagerTurns(loop)) {
    Check(napi_add_env_cleanup_hook(env, [](void* its) { StopEagerTurns(static_cast<uv_loop_t*>(its)); }, loop));
  }
  return Boolean(env, is_attached);
}

// armQuick(quick, key, etag, wholeHead, body, notModifiedHead, untilMs, counters, shape) → slot, or -1. Heads and body are buffers
// or null. `untilMs`: in milliseconds of process.hrtime(). `shape`: of its lines in the log; any where there is none.
napi_value ArmQuick(napi_env env, napi_callback_info info) {
  const Arguments<9> in(env, info);
  Quick& quick = QuickOf(env, in.values[0]);
  const std::string key = Latin1(env, in.values[1]);
  const std::string etag = Latin1(env, in.values[2]);
  QuickAnswer answer{};
  answer.key = key;
  answer.etag = etag;
  answer.whole_head = Bytes(env, in.values[3]);
  answer.body = Bytes(env, in.values[4]);
  answer.not_modified_head = Bytes(env, in.values[5]);
  answer.until_ms = Double(env, in.values[6]);
  answer.counters = quick.counters[Uint32(env, in.values[7])];
  answer.line_shape = Uint32(env, in.values[8]);
  napi_value slot = nullptr;
  Check(napi_create_int32(env, quick.site.table.Arm(answer), &slot));
  return slot;
}

// takeHits(quick, pairs) → how many. `pairs`: a Uint32Array, for a slot and how often it was used since it was told last.
napi_value TakeHits(napi_env env, napi_callback_info info) {
  const Arguments<2> in(env, info);
  const std::string_view pairs = Bytes(env, in.values[1]);
  auto* const numbers = reinterpret_cast<uint32_t*>(const_cast<char*>(pairs.data()));
  const size_t room = pairs.size() / (2 * sizeof(uint32_t));
  return Number(env, static_cast<uint32_t>(QuickOf(env, in.values[0]).site.table.TakeHits(numbers, room)));
}

// clearQuick(quick): forgets all answers
napi_value ClearQuick(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  QuickOf(env, in.values[0]).site.table.Clear();
  return nullptr;
}

// stopQuick(quick): it answers nothing any more
napi_value StopQuick(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  QuickOf(env, in.values[0]).site.enabled = false;
  return nullptr;
}

// tellPeer(res, address, isTrusted): who is at the other end of its connection
napi_value TellPeerOf(napi_env env, napi_callback_info info) {
  const Arguments<3> in(env, info);
  TellPeer(SocketOfResponse(Local(in.values[0])), Latin1(env, in.values[1]), Bool(env, in.values[2]));
  return nullptr;
}

// forgetPeer(res): its connection has just been opened
napi_value ForgetPeerOf(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  ForgetPeer(SocketOfResponse(Local(in.values[0])));
  return nullptr;
}

// tellForwarded(quick, peer, forwardedFor, client): whom a trusted peer speaks for. forgetForwarded(quick): of all that was told.
napi_value TellForwarded(napi_env env, napi_callback_info info) {
  const Arguments<4> in(env, info);
  const std::string peer = Latin1(env, in.values[1]);
  QuickOf(env, in.values[0]).site.forwarded.Tell(peer, Latin1(env, in.values[2]), Latin1(env, in.values[3]));
  return nullptr;
}

napi_value ForgetForwarded(napi_env env, napi_callback_info info) {
  const Arguments<1> in(env, info);
  QuickOf(env, in.values[0]).site.forwarded.Clear();
  return nullptr;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  Check(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
  Check(napi_set_named_property(env, exports, name, function));
}

}  // namespace

NAPI_MODULE_INIT() {
  const auto free_instance = [](napi_env, void* instance, void*) { delete static_cast<Instance*>(instance); };
  Check(napi_set_instance_data(env, new Instance, free_instance, nullptr));
  Export(env, exports, "socketOf", SocketOf);
  Export(env, exports, "fieldsOf", GetBits);
  Export(env, exports, "openLog", OpenLog);
  Export(env, exports, "setChunk", SetChunk);
  Export(env, exports, "setSecond", SetSecond);
  Export(env, exports, "addShape", AddShape);
  Export(env, exports, "putLine", PutLine);
  Export(env, exports, "closeLog", CloseLog);
  Export(env, exports, "openQuick", OpenQuick);
  Export(env, exports, "addCounters", AddCounters);
  Export(env, exports, "attachQuick", AttachQuick);
  Export(env, exports, "armQuick", ArmQuick);
  Export(env, exports, "takeHits", TakeHits);
  Export(env, exports, "clearQuick", ClearQuick);
  Export(env, exports, "stopQuick", StopQuick);
  Export(env, exports, "tellPeer", TellPeerOf);
  Export(env, exports, "forgetPeer", ForgetPeerOf);
  Export(env, exports, "tellForwarded", TellForwarded);
  Export(env, exports, "forgetForwarded", ForgetForwarded);
  Check(napi_set_named_property(env, exports, "abi", Number(env, NODE_MODULE_VERSION)));
  return exports;
}

}  // namespace gfserve
