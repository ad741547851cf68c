#include "status.h"

#include <cerrno>

namespace gfserve {

Status StatusFromErrno(int err) {
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      return Status::kNotFound;
    case EACCES:
    case EPERM:
      return Status::kForbidden;
    case ELOOP:
    case ENAMETOOLONG:
      return Status::kLoop;
    case ENOTCONN:
      return Status::kNotConnected;
    case ENOMEM:
      return Status::kNoMemory;
    case ETIMEDOUT:
      return Status::kTimedOut;
    default:
      return Status::kIo;
  }
}

}  // namespace gfserve
