import { svelte } from '@sveltejs/vite-plugin-svelte';
import { loadEnv } from 'vite';
import { defineConfig } from 'vitest/config';

// In development the pages come from Vite and everything else from a running Lyceum.
const hub = loadEnv('', '.', 'LYCEUM_').LYCEUM_URL ?? 'http://127.0.0.1:7860';

export default defineConfig({
  plugins: [svelte()],
  resolve: { conditions: ['browser'] },
  build: { target: 'es2022', assetsInlineLimit: 0, sourcemap: false },
  server: { proxy: { '/api': hub, '/v1': hub } },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts'] },
});
