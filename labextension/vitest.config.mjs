import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/support/jsdom.ts'],
    include: ['tests/**/*.test.{ts,tsx}'],
    // Written for bundlers: Node itself cannot load them.
    server: { deps: { inline: [/@jupyterlab\//] } },
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
});
