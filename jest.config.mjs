/** Tests are compiled by tsc first; jest runs what is in dist. `npm test` does both. */
export default {
  // Not in the folder for temporary files, where it would outlive the tests.
  cacheDirectory: 'node_modules/.cache/jest',
  roots: ['<rootDir>/dist/test'],
  testMatch: ['**/*.test.js'],
  testEnvironment: 'node',
  transform: {},
  injectGlobals: false,
  // Integration tests start real clusters, which takes seconds each, and longer on a busy machine.
  testTimeout: 120_000,
};
