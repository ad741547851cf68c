// Content that says of itself what it is, so that torn, mixed, shifted or foreign bytes are noticed.
// churn.ts writes the same.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"

namespace gfserve::test {

// A file is a sequence of little-endian 32-bit words: first these, then a mix of position and all.
struct Content {
  static constexpr uint32_t kMagic = 0x31534647;  // GFS1
  static constexpr size_t kHeader = 16;           // magic, id, generation, size

  uint32_t id;          // which file
  uint32_t generation;  // which of its contents
  uint32_t size;        // bytes

  uint32_t Word(uint32_t index) const {
    switch (index) {
      case 0:
        return kMagic;
      case 1:
        return id;
      case 2:
        return generation;
      case 3:
        return size;
      default:
        return (index ^ (generation * 0x9E3779B1u)) * 0x85EBCA77u + id;
    }
  }

  std::string Bytes(uint32_t offset, uint32_t length) const {
    const uint32_t first = offset / 4, last = (offset + length + 3) / 4;
    std::vector<uint32_t> words(last - first);
    for (uint32_t i = first; i < last; ++i) words[i - first] = Word(i);
    return std::string(reinterpret_cast<const char*>(words.data()) + offset % 4, length);
  }

  std::string Bytes() const { return Bytes(0, size); }

  // What a file that begins with `bytes` says it is. At least kHeader bytes.
  static Content Of(const void* bytes) {
    uint32_t words[4];
    std::memcpy(words, bytes, sizeof(words));
    CHECK_EQ(words[0], kMagic);
    return {words[1], words[2], words[3]};
  }

  // Ends the process where `bytes` are not these.
  void Check(const void* bytes, uint32_t offset, uint32_t length) const {
    const std::string expected = Bytes(offset, length);
    if (std::memcmp(expected.data(), bytes, length) == 0) return;
    const char* found = static_cast<const char*>(bytes);
    const size_t at = static_cast<size_t>(
        std::mismatch(expected.begin(), expected.end(), found).first - expected.begin());
    Fail(__FILE__, __LINE__,
         "file " + std::to_string(id) + ", generation " + std::to_string(generation) + ", size " +
             std::to_string(size) + ": wrong from offset " + std::to_string(offset + at));
  }
};

// Ends the process when a system call on the mount fails.
#define MUST(call) \
  do { \
    if ((call) < 0) \
      ::gfserve::test::Fail(__FILE__, __LINE__, std::string(#call ": ") + std::strerror(errno)); \
  } while (0)

// Writes a file in one go. With `flags` 0 it is written over in place.
inline void WriteFile(const std::string& path, const std::string& bytes,
                      int flags = O_CREAT | O_TRUNC, off_t offset = 0) {
  const int fd = open(path.c_str(), O_WRONLY | flags, 0644);
  MUST(fd);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote =
        pwrite(fd, bytes.data() + done, bytes.size() - done, offset + static_cast<off_t>(done));
    MUST(wrote);
    done += static_cast<size_t>(wrote);
  }
  // write-behind answers before the bricks have it.
  MUST(fsync(fd));
  MUST(close(fd));
}

// As editors and rsync do: the name always stands for a whole file.
inline void ReplaceFile(const std::string& path, const std::string& bytes) {
  WriteFile(path + ".new", bytes);
  MUST(rename((path + ".new").c_str(), path.c_str()));
}

inline void MakeDir(const std::string& path, mode_t mode = 0755) {
  MUST(mkdir(path.c_str(), mode));
  MUST(chmod(path.c_str(), mode));
}

inline void MakeLink(const std::string& target, const std::string& path) {
  MUST(symlink(target.c_str(), path.c_str()));
}

}  // namespace gfserve::test
