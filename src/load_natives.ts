/**
 * Loads the native modules and exits. The supervisor runs it as a process of its own before the first worker: a
 * module that does not fit its libraries can end the process that loads it, and the supervisor itself never loads one.
 * Exits with 0, or throws, which prints the reason.
 */
const { system } = await import('./system.js');
system();
const { Native } = await import('./storage/native.js');
new Native();
const { loadHttpNative } = await import('./http_native.js');
loadHttpNative();
await import('uWebSockets.js');

export {};
