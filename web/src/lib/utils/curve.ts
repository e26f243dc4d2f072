// A loss curve as an SVG path, and the few rows that stand for it in a table.
import type { CurvePoint } from '../api/jobs';

export interface Axis {
  low: number;
  high: number;
  ticks: number[];
}

// Round numbers from below the smallest to above the largest value, four or five of them.
export function axisOf(low: number, high: number): Axis {
  if (!(high > low)) {
    const pad = Math.abs(low) * 0.1 || 1;
    return axisOf(low - pad, high + pad);
  }
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough)!;
  const first = Math.floor(low / step) * step;
  const ticks: number[] = [];
  for (let i = 0; first + i * step < high + step * 0.999; i++) ticks.push(Number((first + i * step).toPrecision(12)));
  return { low: ticks[0], high: ticks[ticks.length - 1], ticks };
}

// y grows upwards; the place is 0…1 in both directions.
export function pathOf(points: CurvePoint[], steps: number, axis: Axis, width: number, height: number): string {
  return points
    .map(([step, loss], i) => `${i === 0 ? 'M' : 'L'}${((width * step) / Math.max(1, steps)).toFixed(1)} ${(height * (1 - (loss - axis.low) / (axis.high - axis.low))).toFixed(1)}`)
    .join('');
}

// At most `most` points, first and last among them.
export function pick(points: CurvePoint[], most: number): CurvePoint[] {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]);
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
