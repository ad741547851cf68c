// A text as a file that only this process can open, and that goes with it: no folder, no rights, nothing left behind.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace gfserve {

// Made, used and destroyed by one thread.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& text) : fd_(memfd_create("volfile", MFD_CLOEXEC)) {
    for (size_t at = 0; fd_ >= 0 && at < text.size();) {
      const ssize_t wrote = write(fd_, text.data() + at, text.size() - at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        close(fd_);
        fd_ = -1;
        return;
      }
      at += static_cast<size_t>(wrote);
    }
  }
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }

  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Whether it could be made.
  bool ok() const { return fd_ >= 0; }
  // Valid as long as this is.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace gfserve
