import { describe, expect, it } from 'vitest';
import { pageAt, treePath } from './address';

describe('pageAt', () => {
  it('knows lists and repositories of every type', () => {
    expect(pageAt('/')).toEqual({ page: 'list', type: 'models' });
    expect(pageAt('/datasets')).toEqual({ page: 'list', type: 'datasets' });
    expect(pageAt('/a/b')).toEqual({ page: 'repo', type: 'models', id: 'a/b', at: { tab: 'card' } });
    expect(pageAt('/spaces/a/b/settings')).toEqual({ page: 'repo', type: 'spaces', id: 'a/b', at: { tab: 'settings' } });
  });
  it('takes a revision with slashes from one segment', () => {
    expect(pageAt('/a/b/tree/refs%2Fpr%2F1/x/y')).toMatchObject({ at: { tab: 'files', revision: 'refs/pr/1', folder: 'x/y' } });
    expect(pageAt(treePath('datasets', 'a/b', 'my/branch', 'x y'))).toMatchObject({ type: 'datasets', at: { revision: 'my/branch', folder: 'x y' } });
  });
  it('tells a discussion from its files', () => {
    expect(pageAt('/a/b/discussions/12')).toMatchObject({ at: { tab: 'discussion', number: 12, files: false } });
    expect(pageAt('/a/b/discussions/12/files')).toMatchObject({ at: { tab: 'discussion', number: 12, files: true } });
    expect(pageAt('/a/b/discussions/new')).toMatchObject({ at: { tab: 'new-discussion' } });
  });
  it('knows people and collections', () => {
    expect(pageAt('/alice')).toEqual({ page: 'profile', name: 'alice' });
    expect(pageAt('/collections/alice/first-steps-1a')).toEqual({ page: 'collection', slug: 'alice/first-steps-1a' });
  });
  it('knows jobs', () => {
    expect(pageAt('/jobs')).toEqual({ page: 'jobs', owner: '' });
    expect(pageAt('/jobs/alice')).toEqual({ page: 'jobs', owner: 'alice' });
    expect(pageAt('/jobs/new')).toEqual({ page: 'new-job' });
    expect(pageAt('/jobs/alice/0123')).toEqual({ page: 'job', owner: 'alice', id: '0123' });
    expect(pageAt('/jobs/a/b/c')).toEqual({ page: 'path' });
  });
  it('leaves everything else to other pages', () => {
    for (const path of ['/sign-in', '/a/b/discussions/x', '/a/b/tree', '/a/b/unknown', '/a/b/commit/1/2', '/datasets/a', '/device', '/settings', '/collections', '/collections/alice']) expect(pageAt(path), path).toEqual({ page: 'path' });
  });
  it('survives a stray percent sign', () => {
    expect(pageAt('/a/b/tree/main/100%')).toMatchObject({ at: { folder: '100%' } });
  });
});
