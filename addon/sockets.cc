#include "sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace gfserve {

namespace {

bool Listens(int fd) {
  int listens = 0;
  socklen_t length = sizeof(listens);
  // ENOTSOCK for files; a descriptor that another thread has just closed is no listener either.
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0;
}

}  // namespace

std::vector<int> ListeningSockets() {
  std::vector<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir("/proc/self/fd"), closedir);
  if (!dir) return found;
  while (const dirent* entry = readdir(dir.get())) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && *end == '\0' && Listens(static_cast<int>(fd))) {
      found.push_back(static_cast<int>(fd));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

int DuplicateSocket(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

bool ReplaceSocket(int fd, int with) { return dup3(with, fd, O_CLOEXEC) == fd; }

}  // namespace gfserve
