import { expect, it } from 'vitest';
import { ago, bytes, count } from './format';

it('formats bytes in binary units', () => {
  expect(bytes(512)).toBe('512 B');
  expect(bytes(1536)).toBe('1.5 KiB');
});
it('shortens counts', () => {
  expect(count(999)).toBe('999');
  expect(count(5_700_000)).toBe('5.7M');
  expect(count(12_000_000_000)).toBe('12B');
});
it('tells age', () => {
  const now = Date.parse('2026-01-10T00:00:00Z');
  expect(ago('2026-01-07T00:00:00Z', now)).toBe('3 days ago');
  expect(ago('2026-01-09T23:59:50Z', now)).toBe('just now');
});
