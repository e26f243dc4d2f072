// Debian's Chromium for the browser walks, and what each of them notes: requests to others, and errors.
import { chromium } from 'playwright-core';

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export function watch(page, url, result) {
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) result.foreign.push(request.url());
  });
  page.on('pageerror', (error) => result.errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && result.errors.push(message.text()));
}
