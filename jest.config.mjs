/** Tests are compiled by tsc first; jest runs what is in dist. `npm test` does both. */
export default {
  roots: ['<rootDir>/dist/test'],
  testMatch: ['**/*.test.js'],
  testEnvironment: 'node',
  transform: {},
  injectGlobals: false,
  // Integration tests start real clusters, which takes seconds each, and longer on a busy machine.
  testTimeout: 120_000,
};
