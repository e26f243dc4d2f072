import { describe, expect, it } from 'vitest';
import { eventText, fileUrl, nextLink } from './client';

describe('nextLink', () => {
  it('takes the path and query of the next link', () => {
    expect(nextLink('<http://host:1/api/models?cursor=a%2Fb>; rel="next"')).toBe('/api/models?cursor=a%2Fb');
  });
  it('is null without one', () => {
    expect(nextLink(null)).toBeNull();
    expect(nextLink('<http://host/x>; rel="prev"')).toBeNull();
  });
});

describe('eventText', () => {
  it('reads chat deltas and completion text', () => {
    expect(eventText('data: {"choices":[{"delta":{"content":"a"}}]}')).toBe('a');
    expect(eventText('data: {"choices":[{"text":"b"}]}')).toBe('b');
  });
  it('ignores the end mark and empty choices', () => {
    expect(eventText('data: [DONE]')).toBe('');
    expect(eventText('data: {"choices":[]}')).toBe('');
  });
  it('throws what the server says went wrong', () => {
    expect(() => eventText('data: {"error":{"message":"out of memory"}}')).toThrow('out of memory');
  });
});

describe('fileUrl', () => {
  it('has a prefix for everything but models, and escapes each segment', () => {
    expect(fileUrl('models', 'a/b', 'x y/z#.txt')).toBe('/a/b/resolve/main/x%20y/z%23.txt');
    expect(fileUrl('datasets', 'a/b', 'f')).toBe('/datasets/a/b/resolve/main/f');
  });
});
