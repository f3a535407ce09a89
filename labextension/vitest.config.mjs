import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/support/jsdom.ts'],
    include: ['tests/**/*.test.{ts,tsx}'],
    restoreMocks: true
  }
});
