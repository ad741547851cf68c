// Turns of Node.js' event loop, in short. See docs/adr/0016-answers-before-the-parser.md.
#pragma once

#include <uv.h>

namespace gfserve {

// From now on what has come in by the end of a turn in which something was answered (TellAnswer) is handled at once, as libuv
// would do in its next turn, but without all that Node.js does in each. Of one loop in a process at a time. Returns whether they
// were started by this call; with a libuv of 1.52 or later they are not.
bool StartEagerTurns(uv_loop_t* loop);

// Before the loop ends; it must have a turn after it. Of a loop that they were not started of it does nothing.
void StopEagerTurns(const uv_loop_t* loop);

// By native code, on the loop's thread.
void TellAnswer();

}  // namespace gfserve
