#include "spy.h"

#include <glusterfs/api/glfs-handles.h>
#include <glusterfs/api/glfs.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "check.h"

namespace gfserve::test::spy {

std::atomic<long> instances{0};
std::atomic<long> objects{0};
std::atomic<long> files{0};
namespace {

std::mutex mutex;
std::shared_ptr<const Hooks> hooks = std::make_shared<Hooks>();  // guarded by mutex

std::shared_ptr<const Hooks> Current() {
  std::lock_guard<std::mutex> lock(mutex);
  return hooks;
}

bool Fails(std::function<int()> Hooks::*which) {
  const std::shared_ptr<const Hooks> current = Current();
  const std::function<int()>& hook = (*current).*which;
  const int err = hook ? hook() : 0;
  errno = err;
  return err != 0;
}

template <typename T>
T* Counted(std::atomic<long>& count, T* given) {
  if (given) ++count;
  return given;
}

}  // namespace

void Use(Hooks next) {
  auto shared = std::make_shared<const Hooks>(std::move(next));
  std::lock_guard<std::mutex> lock(mutex);
  hooks.swap(shared);
}

}  // namespace gfserve::test::spy

namespace gfserve::test::spy {

extern "C" {

glfs_t* __real_glfs_new(const char*);
int __real_glfs_init(glfs_t*);
int __real_glfs_fini(glfs_t*);
glfs_object_t* __real_glfs_h_lookupat(glfs_t*, glfs_object_t*, const char*, struct stat*, int);
glfs_object_t* __real_glfs_h_create_from_handle(glfs_t*, unsigned char*, int, struct stat*);
int __real_glfs_h_close(glfs_object_t*);
int __real_glfs_h_stat(glfs_t*, glfs_object_t*, struct stat*);
glfs_fd_t* __real_glfs_h_open(glfs_t*, glfs_object_t*, int);
glfs_fd_t* __real_glfs_h_opendir(glfs_t*, glfs_object_t*);
int __real_glfs_close(glfs_fd_t*);
int __real_glfs_closedir(glfs_fd_t*);
ssize_t __real_glfs_h_anonymous_read(glfs_t*, glfs_object_t*, const void*, size_t, off_t);
ssize_t __real_glfs_pread(glfs_fd_t*, void*, size_t, off_t, int, struct glfs_stat*);

glfs_t* __wrap_glfs_new(const char* volname) {
  if (Fails(&Hooks::create)) return nullptr;
  return Counted(instances, __real_glfs_new(volname));
}

int __wrap_glfs_init(glfs_t* fs) {
  if (Fails(&Hooks::init)) return -1;
  return __real_glfs_init(fs);
}

int __wrap_glfs_fini(glfs_t* fs) {
  Fails(&Hooks::fini);
  const int result = __real_glfs_fini(fs);
  CHECK(--instances >= 0);
  return result;
}

glfs_object_t* __wrap_glfs_h_lookupat(glfs_t* fs, glfs_object_t* parent, const char* path,
                                      struct stat* st, int follow) {
  if (Fails(&Hooks::lookup)) return nullptr;
  return Counted(objects, __real_glfs_h_lookupat(fs, parent, path, st, follow));
}

glfs_object_t* __wrap_glfs_h_create_from_handle(glfs_t* fs, unsigned char* handle, int length,
                                                struct stat* st) {
  return Counted(objects, __real_glfs_h_create_from_handle(fs, handle, length, st));
}

int __wrap_glfs_h_close(glfs_object_t* object) {
  CHECK(object);
  CHECK(--objects >= 0);
  return __real_glfs_h_close(object);
}

int __wrap_glfs_h_stat(glfs_t* fs, glfs_object_t* object, struct stat* st) {
  if (Fails(&Hooks::stat)) return -1;
  return __real_glfs_h_stat(fs, object, st);
}

glfs_fd_t* __wrap_glfs_h_open(glfs_t* fs, glfs_object_t* object, int flags) {
  if (Fails(&Hooks::open)) return nullptr;
  return Counted(files, __real_glfs_h_open(fs, object, flags));
}

glfs_fd_t* __wrap_glfs_h_opendir(glfs_t* fs, glfs_object_t* object) {
  return Counted(files, __real_glfs_h_opendir(fs, object));
}

int __wrap_glfs_close(glfs_fd_t* fd) {
  CHECK(fd);
  CHECK(--files >= 0);
  return __real_glfs_close(fd);
}

int __wrap_glfs_closedir(glfs_fd_t* fd) {
  CHECK(fd);
  CHECK(--files >= 0);
  return __real_glfs_closedir(fd);
}

ssize_t __wrap_glfs_h_anonymous_read(glfs_t* fs, glfs_object_t* object, const void* data,
                                     size_t length, off_t offset) {
  if (Fails(&Hooks::anonymous_read)) return -1;
  return __real_glfs_h_anonymous_read(fs, object, data, length, offset);
}

ssize_t __wrap_glfs_pread(glfs_fd_t* fd, void* data, size_t length, off_t offset, int flags,
                          struct glfs_stat* st) {
  if (Fails(&Hooks::pread)) return -1;
  const ssize_t got = __real_glfs_pread(fd, data, length, offset, flags, st);
  if (Current()->no_stat_from_pread && st) std::memset(st, 0, sizeof(*st));
  return got;
}

}  // extern "C"

}  // namespace gfserve::test::spy
