import { expect, it } from 'vitest';
import type { RepoInfo } from '../api/types';
import { snippets } from './snippets';

const repo = { id: 'me/model', siblings: [{ rfilename: 'config.json' }] } as RepoInfo;

it('names this server in every snippet that needs it', () => {
  const all = snippets('models', repo, 'http://here:1');
  expect(all.find((s) => s.title === 'Download')!.code).toContain('HF_ENDPOINT=http://here:1');
  expect(all.find((s) => s.title === 'Python: openai')!.code).toContain('http://here:1/v1');
});
it('offers PEFT for an adapter and no tuning of it', () => {
  const titles = snippets('models', { ...repo, siblings: [{ rfilename: 'adapter_config.json' }] }, 'http://h').map((s) => s.title);
  expect(titles).toContain('Python: PEFT');
  expect(titles).not.toContain('Tune it on your code');
});
it('adds the type prefix and flag for datasets', () => {
  const all = snippets('datasets', repo, 'http://h');
  expect(all.find((s) => s.title === 'Download')!.code).toContain('--repo-type dataset');
  expect(all.find((s) => s.title === 'Clone with git')!.code).toContain('http://h/datasets/me/model');
});
