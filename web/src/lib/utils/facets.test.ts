import { expect, test } from 'vitest';
import { facetLabel, sizeRange } from './facets';

test('size classes become ranges that the hub reads', () => {
  expect(sizeRange('<1B')).toBe('max:1B');
  expect(sizeRange('6B-12B')).toBe('min:6B,max:12B');
  expect(sizeRange('>500B')).toBe('min:500B');
});

test('labels lose the prefix of their kind only', () => {
  expect(facetLabel('license:mit')).toBe('mit');
  expect(facetLabel('base_model:a/b:c')).toBe('a/b:c');
  expect(facetLabel('text-generation')).toBe('text-generation');
});
