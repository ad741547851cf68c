// Result codes that cross into JavaScript. Stable: src/storage/native.ts names the same numbers.
#pragma once

#include <cstdint>

namespace gfserve {

enum class Status : int32_t {
  kOk = 0,
  kNotFound = 1,      // ENOENT, ENOTDIR: no such name
  kForbidden = 2,     // EACCES, EPERM, or a symlink that the root's policy refuses
  kLoop = 3,          // ELOOP, ENAMETOOLONG: the name can't be resolved
  kNotConnected = 4,  // ENOTCONN: no brick that holds the file answers
  kIo = 5,            // EIO, EBADFD and every errno not named here
  kChanged = 6,       // the file changed while it was read, again and again
  kBusy = 7,          // the volume's queue is full
  kClosed = 8,        // the volume is closed, closing, or not connected yet
  kCancelled = 9,     // the caller cancelled the job before it ran
  kNoMemory = 10,     // ENOMEM
  kNotRegular = 11,   // a FIFO, socket or device
  kBadHandle = 12,    // no such open file: a bug of the caller
  kTimedOut = 13,     // ETIMEDOUT from the transport
};

// Maps an errno of a gfapi call; 0 maps to kIo, because libgfapi may fail without setting it.
Status StatusFromErrno(int err);

}  // namespace gfserve
