// Stands between the addon's code and libgfapi: counts what is open, and fails or blocks calls on
// demand. The linker does it: --wrap=SYMBOL, for each function in spy.cc.
#pragma once

#include <atomic>
#include <functional>

namespace gfserve::test::spy {

// What libgfapi has given out and not got back, over the whole process.
extern std::atomic<long> instances;  // glfs_new, glfs_fini
extern std::atomic<long> objects;    // glfs_h_lookupat, glfs_h_create_from_handle, glfs_h_close
extern std::atomic<long> files;      // glfs_h_open, glfs_h_opendir, glfs_close, glfs_closedir

// Called before the real function, on the calling thread; where it returns an errno, the call fails
// with it. glfs_fini is called all the same.
struct Hooks {
  std::function<int()> create, init, lookup, stat, open, anonymous_read, pread, fini;
  bool no_stat_from_pread = false;  // as with io-cache: zeros
};

// Calls that begin after this use `hooks`. Any thread.
void Use(Hooks hooks);

}  // namespace gfserve::test::spy
