import { describe, expect, it } from 'vitest';
import { axisOf, duration, pathOf, pick } from './curve';

describe('axisOf', () => {
  it('takes round numbers around the values', () => {
    expect(axisOf(1.13, 3.9)).toEqual({ low: 1, high: 4, ticks: [1, 2, 3, 4] });
    const flat = axisOf(2, 2);
    expect(flat.low).toBeLessThan(2);
    expect(flat.high).toBeGreaterThan(2);
    expect(axisOf(0, 0).high).toBeGreaterThan(0);
  });
});

describe('pathOf', () => {
  it('puts the largest value on top', () => {
    expect(pathOf([[5, 4, 1], [10, 1, 1]], 10, { low: 1, high: 4, ticks: [] }, 100, 50)).toBe('M50.0 0.0L100.0 50.0');
    expect(pathOf([], 10, { low: 0, high: 1, ticks: [] }, 100, 50)).toBe('');
  });
});

describe('pick', () => {
  it('keeps first and last', () => {
    const points = Array.from({ length: 100 }, (_, i): [number, number, number] => [i, i, 1]);
    const few = pick(points, 5);
    expect(few.map((one) => one[0])).toEqual([0, 25, 50, 74, 99]);
    expect(pick(points.slice(0, 3), 5)).toHaveLength(3);
  });
});

describe('duration', () => {
  it('speaks of seconds, minutes and hours', () => {
    expect([duration(5), duration(75), duration(3700)]).toEqual(['5 s', '1 min 15 s', '1 h 1 min']);
  });
});
