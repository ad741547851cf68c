#include "quick_path.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "eager_turns.h"
#include "fine_clock.h"

// uSockets' own names, of its C interface (libusockets.h).
struct us_socket_t;
struct us_socket_context_t;

namespace gfserve {

namespace {

using OnData = us_socket_t* (*)(us_socket_t*, char*, int);

// The functions of the uWebSockets.js that is loaded.
struct Library {
  us_socket_context_t* (*context)(int ssl, us_socket_t*);
  void* (*ext)(int ssl, us_socket_t*);
  int (*write)(int ssl, us_socket_t*, const char* data, int length, int more);
  void (*timeout)(int ssl, us_socket_t*, unsigned seconds);
  int (*is_shut_down)(int ssl, us_socket_t*);
  // The functions of uSockets' polls, which its sockets begin with.
  int (*poll_fd)(us_socket_t*);
  int (*poll_events)(us_socket_t*);
  void (*set_on_data)(int ssl, us_socket_context_t*, OnData);
  // What uWebSockets.js has data handled by.
  OnData on_data;
};

// Where uWebSockets.js 20 keeps what is looked at, on 64-bit Linux.
// us_socket_t, and its extension, HttpResponseData<false>:
constexpr size_t kSocketSize = 0x30;
constexpr size_t kBackpressure = 0x00;   // std::string: what could not be written yet
constexpr size_t kPendingRemoval = 0x20; // unsigned: how much at its beginning has been written meanwhile
constexpr size_t kFallback = 0x28;       // std::string: the beginning of a head
constexpr size_t kBodyLeft = 0x48;       // uint64_t: of the request's body
constexpr size_t kState = 0xbc;          // int
constexpr int kIsPending = 8;            // an answer is under way
constexpr int kIsClosing = 16;           // after it
// us_socket_context_t:
constexpr size_t kContextOnData = 0x48;
// LIBUS_SOCKET_READABLE and LIBUS_SOCKET_WRITABLE: what uSockets waits for.
constexpr int kReadable = 1;
constexpr int kWritable = 2;
// What uWebSockets.js takes for a head in pieces, unless UWS_HTTP_MAX_HEADERS_SIZE says otherwise.
constexpr size_t kLongestHead = 4096;
// HTTP_IDLE_TIMEOUT_S: what an answer leaves its connection with.
constexpr unsigned kIdleSeconds = 10;

// After so many answers in a row a connection is one that is used again and again.
constexpr uint32_t kAnswersToEdge = 16;

// What fits into uWebSockets.js' own buffer is left to it, as it would be otherwise, where the socket does not take it. Longer
// answers are only given where the socket has room, as others are waiting for what is left to uWebSockets.js: for so long none is
// given where it had less than it said.
constexpr size_t kOneCall = 15 * 1024;
constexpr double kDistrustMs = 10'000;

// What is remembered of a connection, by its descriptor. But for the peer it may be of one before, which does no harm: each is told
// at its beginning when to end, and how it is waited for can be said twice.
struct Connection {
  // In a row.
  uint32_t answers = 0;
  // It was said to be waited for by EPOLLET.
  bool on_edge = false;
  // Since 1970.
  int64_t told_when = 0;
  Peer peer;
};

struct Attached {
  us_socket_context_t* context;
  QuickSite* site;
};

// Of the loop thread.
Library library{};
std::vector<Attached> attached;
FineClock fine_clock;
double trusted_from_ms = 0;
size_t longest_head = kLongestHead;
std::vector<Connection> connections;
// libuv's.
int epoll_fd = -1;

template <typename T>
T At(const void* base, size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + offset, sizeof(value));
  return value;
}

const std::string& StringAt(const void* base, size_t offset) {
  return *reinterpret_cast<const std::string*>(static_cast<const char*>(base) + offset);
}

// Since 1970, in milliseconds, at `now_ms` of CLOCK_MONOTONIC. How the two clocks lie to each other is looked at ten times a second.
double SinceEpoch(double now_ms) {
  constexpr double kLookMs = 100;
  static double looked_ms = -kLookMs;
  static double offset_ms = 0;
  if (now_ms - looked_ms >= kLookMs) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    looked_ms = now_ms;
    offset_ms = static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6 - now_ms;
  }
  return now_ms + offset_ms;
}

// No request is being answered, and none has a body that is still to come.
bool HasNoneUnderWay(const void* ext) {
  return At<uint64_t>(ext, kBodyLeft) == 0 && (At<int>(ext, kState) & (kIsPending | kIsClosing)) == 0;
}

// Nothing of an earlier request or answer is left.
bool IsIdle(const void* ext) {
  return StringAt(ext, kBackpressure).empty() && At<unsigned>(ext, kPendingRemoval) == 0 &&
         StringAt(ext, kFallback).empty() && HasNoneUnderWay(ext);
}

// Whether the socket takes so much at once. The kernel counts what it needs itself as well: half as much again at most.
bool HasRoom(int fd, size_t bytes) {
  uint32_t figures[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof(figures);
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, figures, &size) != 0 || size < sizeof(figures)) return false;
  const uint32_t used = std::max(figures[SK_MEMINFO_WMEM_QUEUED], figures[SK_MEMINFO_WMEM_ALLOC]);
  return used + bytes + bytes / 2 < figures[SK_MEMINFO_SNDBUF];
}

// uWebSockets.js writes it when the socket takes more, and ends connections that do not.
void Leave(us_socket_t* socket, void* ext, const QuickTable::Found& found, size_t written) {
  auto& backpressure = *reinterpret_cast<std::string*>(static_cast<char*>(ext) + kBackpressure);
  const size_t of_head = std::min(written, found.head_length);
  backpressure.append(found.head + of_head, found.head_length - of_head);
  if (found.body_length > 0) backpressure.append(found.body + (written - of_head), found.body_length - (written - of_head));
  // What asks for being told of that is a write that fails.
  const int length = static_cast<int>(backpressure.size());
  const auto more = static_cast<size_t>(library.write(0, socket, backpressure.data(), length, 0));
  if (more == backpressure.size()) std::string().swap(backpressure);
  else backpressure.erase(0, more);
}

Connection& ConnectionOf(int fd) {
  const auto at = static_cast<size_t>(fd);
  if (at >= connections.size()) connections.resize(at + 64);
  return connections[at];
}

// Has epoll tell of what comes in once, or, without EPOLLET, for as long as it has not been read, as libuv has it. The former saves
// a second look at the socket after each request. uSockets reads all there is each time, but where its buffer is full. A peer that
// ends its side right behind its last request is then seen to have gone when the connection has been idle.
void WaitFor(us_socket_t* socket, int fd, uint32_t how) {
  const int events = library.poll_events(socket);
  epoll_event event{};
  event.events = ((events & kReadable) ? EPOLLIN : 0u) | ((events & kWritable) ? EPOLLOUT : 0u) | how;
  event.data.fd = fd;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

// One more in a row.
void CountAnswer(us_socket_t* socket, int fd, Connection& connection) {
  if (connection.on_edge || ++connection.answers < kAnswersToEdge || library.poll_events(socket) != kReadable) return;
  connection.on_edge = true;
  WaitFor(socket, fd, EPOLLET);
}

// uWebSockets.js has to see what comes, and when the peer ends: it may do so while it waits for an answer.
void EndRow(us_socket_t* socket) {
  const int fd = library.poll_fd(socket);
  Connection& connection = ConnectionOf(fd);
  connection.answers = 0;
  if (!connection.on_edge) return;
  connection.on_edge = false;
  WaitFor(socket, fd, 0);
}

// How much of it went out at once. By syscall(), as libc's own functions ask before and after whether the thread is to be cancelled.
size_t Write(int fd, const QuickTable::Found& found) {
  ssize_t written = 0;
  if (found.body_length == 0) {
    written = syscall(SYS_sendto, fd, found.head, found.head_length, MSG_NOSIGNAL, nullptr, 0);
  } else {
    iovec parts[] = {{const_cast<char*>(found.head), found.head_length},
                     {const_cast<char*>(found.body), found.body_length}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    written = syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
  }
  return written < 0 ? 0 : static_cast<size_t>(written);
}

// Who it comes from. false: that is not known.
bool FindClient(QuickSite& site, const Peer& peer, const PlainGet& get, std::string_view& client) {
  client = peer.Address();
  if (!peer.is_trusted || get.forwarded_for.empty()) return true;
  const std::string* const found = site.forwarded.Find(client, get.forwarded_for);
  if (found) client = *found;
  return found != nullptr;
}

bool Answer(QuickSite& site, us_socket_t* socket, std::string_view bytes) {
  QuickTable& table = site.table;
  PlainGet get;
  if (!ReadPlainGet(bytes, get)) return false;
  void* const ext = library.ext(0, socket);
  if (!IsIdle(ext) || library.is_shut_down(0, socket)) return false;
  const int fd = library.poll_fd(socket);
  Connection& connection = ConnectionOf(fd);
  const Peer& peer = connection.peer;
  if ((site.log || site.trusts) && !peer.is_known) return false;
  const double began_ms = fine_clock.NowMs();
  const double since_epoch = SinceEpoch(began_ms);
  const auto second = static_cast<int64_t>(since_epoch / 1e3);
  const QuickTable::Found found = table.Find(get, began_ms, second, site.trusts && peer.is_trusted);
  if (!found.head) return false;
  LineValues line{};
  if (site.log) {
    if (!FindClient(site, peer, get, line.client)) return false;
    line.target = get.target;
    line.host = get.host;
    line.referer = get.referer;
    line.user_agent = get.user_agent;
    line.status = found.is_whole ? 200 : 304;
    line.bytes = found.body_length;
    line.started_ms = static_cast<uint32_t>(since_epoch - static_cast<double>(second) * 1e3);
    // Before it is too late to have JavaScript answer.
    if (!site.log->Takes(found.line_shape, line, second)) return false;
  }
  const size_t length = found.head_length + found.body_length;
  if (length > kOneCall && (began_ms < trusted_from_ms || !HasRoom(fd, length))) return false;
  const size_t written = Write(fd, found);
  if (written < length) {
    Leave(socket, ext, found, written);
    // libuv waits for it the usual way again.
    connection.answers = 0;
    connection.on_edge = false;
    if (length > kOneCall) trusted_from_ms = began_ms + kDistrustMs;
  } else {
    CountAnswer(socket, fd, connection);
  }
  // How long it may be idle, as uWebSockets.js does with each answer. Once a second is enough, as uSockets counts in fours.
  if (connection.told_when != second) {
    connection.told_when = second;
    library.timeout(0, socket, kIdleSeconds);
  }
  const double duration_ms = fine_clock.NowMs() - began_ms;
  table.Count(found, duration_ms);
  if (site.log) {
    line.duration_us = static_cast<uint64_t>(duration_ms * 1e3 + 0.5);
    site.log->Put(found.line_shape, line);
  }
  return true;
}

// uWebSockets.js 20 takes a first line that has come up to its version, or less, for one of another version. So its beginnings are
// put where it would put those of a head that it sees to be one, until the line is there. What could not become a line is left to it.
bool IsBeginningOfLine(us_socket_t* socket, std::string_view bytes) {
  void* const ext = library.ext(0, socket);
  if (!HasNoneUnderWay(ext)) return false;
  auto& fallback = *reinterpret_cast<std::string*>(static_cast<char*>(ext) + kFallback);
  if (fallback.size() + bytes.size() >= longest_head || library.is_shut_down(0, socket)) return false;
  const auto is_text = [](char byte) { return (byte >= 0x20 && byte < 0x7f) || byte == '\r'; };
  if (!std::all_of(bytes.begin(), bytes.end(), is_text) || fallback.find('\n') != std::string::npos) return false;
  fallback.append(bytes);
  return true;
}

us_socket_t* HandleData(us_socket_t* socket, char* data, int length) {
  const us_socket_context_t* const context = library.context(0, socket);
  for (const Attached& each : attached) {
    if (each.context != context) continue;
    const std::string_view bytes(data, static_cast<size_t>(length));
    if (each.site->enabled && Answer(*each.site, socket, bytes)) {
      TellAnswer();
      return socket;
    }
    EndRow(socket);
    if (IsBeginningOfLine(socket, bytes)) return socket;
    break;
  }
  return library.on_data(socket, data, length);
}

// Its path; empty: it is not loaded.
std::string LoadedUWebSockets() {
  std::string path;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        const std::string_view name(info->dlpi_name);
        const std::string_view file = name.substr(name.rfind('/') + 1);
        if (file.substr(0, 10) != "uws_linux_") return 0;
        *static_cast<std::string*>(found) = name;
        return 1;
      },
      &path);
  return path;
}

template <typename F>
bool Find(void* handle, const char* name, F& function) {
  void* const symbol = dlsym(handle, name);
  std::memcpy(&function, &symbol, sizeof(function));
  return symbol != nullptr;
}

bool Load() {
  if (library.on_data) return true;
  const std::string path = LoadedUWebSockets();
  void* const handle = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return false;
  Library found{};
  const bool is_whole =
      Find(handle, "us_socket_context", found.context) && Find(handle, "us_socket_ext", found.ext) &&
      Find(handle, "us_socket_write", found.write) && Find(handle, "us_socket_timeout", found.timeout) &&
      Find(handle, "us_socket_is_shut_down", found.is_shut_down) &&
      Find(handle, "us_socket_context_on_data", found.set_on_data) && Find(handle, "us_poll_fd", found.poll_fd) &&
      Find(handle, "us_poll_events", found.poll_events) &&
      // The lambda of HttpContext<false>::init.
      Find(handle, "_ZZN3uWS11HttpContextILb0EE4initEvENUlP11us_socket_tPciE_8__invokeES3_S4_i", found.on_data);
  // It stays loaded, as Node.js never unloads a module of the main thread.
  dlclose(handle);
  if (is_whole) library = found;
  // As uWebSockets.js reads it.
  const char* const size = std::getenv("UWS_HTTP_MAX_HEADERS_SIZE");
  if (const int bytes = size ? std::atoi(size) : 0; bytes > 0) longest_head = static_cast<size_t>(bytes);
  return is_whole;
}

}  // namespace

bool AttachQuickSite(std::uintptr_t address, QuickSite* site, int epoll) {
  if (sizeof(void*) != 8 || address == 0 || !Load()) return false;
  auto* const socket = reinterpret_cast<us_socket_t*>(address);
  const void* const ext = library.ext(0, socket);
  us_socket_context_t* const context = library.context(0, socket);
  if (static_cast<const char*>(ext) != reinterpret_cast<const char*>(socket) + kSocketSize) return false;
  const auto current = At<OnData>(context, kContextOnData);
  if (current != library.on_data && current != HandleData) return false;
  // So it is with a connection that nothing has been read from yet.
  if (!IsIdle(ext) || At<int>(ext, kState) != 0) return false;
  const auto known = std::find_if(attached.begin(), attached.end(), [&](auto& each) { return each.context == context; });
  if (known != attached.end()) known->site = site;
  else attached.push_back({context, site});
  epoll_fd = epoll;
  library.set_on_data(0, context, HandleData);
  return true;
}

void DetachQuickSite(const QuickSite* site) {
  const auto is_its = [site](const Attached& each) { return each.site == site; };
  attached.erase(std::remove_if(attached.begin(), attached.end(), is_its), attached.end());
}

void TellPeer(std::uintptr_t socket, std::string_view address, bool is_trusted) {
  if (socket == 0 || !library.on_data) return;
  ConnectionOf(library.poll_fd(reinterpret_cast<us_socket_t*>(socket))).peer.Tell(address, is_trusted);
}

void ForgetPeer(std::uintptr_t socket) {
  // Nobody has been told before the module was found.
  if (socket == 0 || !library.on_data) return;
  ConnectionOf(library.poll_fd(reinterpret_cast<us_socket_t*>(socket))).peer.is_known = false;
}

}  // namespace gfserve
