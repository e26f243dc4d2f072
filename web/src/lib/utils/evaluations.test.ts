import { describe, expect, it } from 'vitest';
import { resultsOf } from './evaluations';

describe('resultsOf', () => {
  it('reads a model-index', () => {
    const card = { 'model-index': [{ name: 'm', results: [{ dataset: { name: 'held-out files' }, metrics: [{ name: 'bits per byte', type: 'bpb', value: 0.812345678 }, { type: 'x', value: null }] }] }] };
    expect(resultsOf(card)).toEqual([{ metric: 'bits per byte', value: '0.81235', data: 'held-out files' }]);
  });
  it('survives any card', () => {
    for (const card of [undefined, {}, { 'model-index': 3 }, { 'model-index': [null, { results: [{ metrics: 'x' }] }] }]) expect(resultsOf(card)).toEqual([]);
  });
});
