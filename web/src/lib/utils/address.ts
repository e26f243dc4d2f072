// Which page an address is. Models: /owner/name[/…]; datasets and Spaces: /datasets/owner/name[/…], as on the public hub.
import type { RepoType } from '../api/types';

export type RepoTab =
  | { tab: 'card' }
  | { tab: 'files'; revision: string; folder: string }
  | { tab: 'commits'; revision: string }
  | { tab: 'commit'; commit: string }
  | { tab: 'community' }
  | { tab: 'new-discussion' }
  | { tab: 'discussion'; number: number; files: boolean }
  | { tab: 'settings' };

export type Page =
  | { page: 'list'; type: RepoType }
  | { page: 'repo'; type: RepoType; id: string; at: RepoTab }
  | { page: 'profile'; name: string }
  | { page: 'collection'; slug: string }
  | { page: 'jobs'; owner: string }
  | { page: 'job'; owner: string; id: string }
  | { page: 'new-job' }
  | { page: 'path' };

const types: RepoType[] = ['models', 'datasets', 'spaces'];
const ownPages = ['sign-in', 'device', 'oauth', 'settings', 'collections', 'jobs', 'api', 'v1']; // names that nobody has

function segment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % is part of the name
  }
}

function repoTab(rest: string[]): RepoTab | null {
  const [word, first, ...more] = rest;
  if (word === undefined) return { tab: 'card' };
  if (word === 'tree' && first) return { tab: 'files', revision: first, folder: more.join('/') };
  if (word === 'commits' && first && more.length === 0) return { tab: 'commits', revision: first };
  if (word === 'commit' && first && more.length === 0) return { tab: 'commit', commit: first };
  if (word === 'settings' && first === undefined) return { tab: 'settings' };
  if (word !== 'discussions') return null;
  if (first === undefined) return { tab: 'community' };
  if (first === 'new' && more.length === 0) return { tab: 'new-discussion' };
  if (!/^\d{1,9}$/.test(first) || more.length > 1 || (more.length === 1 && more[0] !== 'files')) return null;
  return { tab: 'discussion', number: Number(first), files: more.length === 1 };
}

// /jobs, /jobs/new, /jobs/owner, /jobs/owner/id: the last is where huggingface_hub says that a job is.
function jobPage(rest: string[]): Page {
  if (rest.length > 2) return { page: 'path' };
  if (rest.length === 2) return { page: 'job', owner: rest[0], id: rest[1] };
  return rest[0] === 'new' ? { page: 'new-job' } : { page: 'jobs', owner: rest[0] ?? '' };
}

export function pageAt(path: string): Page {
  const parts = path.split('/').filter(Boolean).map(segment);
  if (parts.length === 0) return { page: 'list', type: 'models' };
  const named = types.find((type) => type === parts[0]);
  if (named && parts.length === 1) return { page: 'list', type: named };
  if (parts.length === 1 && !ownPages.includes(parts[0])) return { page: 'profile', name: parts[0] };
  if (parts[0] === 'jobs') return jobPage(parts.slice(1));
  if (parts[0] === 'collections') return parts.length === 3 ? { page: 'collection', slug: `${parts[1]}/${parts[2]}` } : { page: 'path' };
  const type = named && named !== 'models' ? named : 'models';
  const rest = type === 'models' ? parts : parts.slice(1);
  const at = rest.length >= 2 ? repoTab(rest.slice(2)) : null;
  return at ? { page: 'repo', type, id: `${rest[0]}/${rest[1]}`, at } : { page: 'path' };
}

export const repoPath = (type: RepoType, id: string) => `${type === 'models' ? '' : '/' + type}/${id}`;

const escaped = (path: string) => path.split('/').map(encodeURIComponent).join('/');

// A revision is one segment, because a branch may hold slashes.
export const treePath = (type: RepoType, id: string, revision: string, folder = '') =>
  `${repoPath(type, id)}/tree/${encodeURIComponent(revision)}${folder ? '/' + escaped(folder) : ''}`;

// Where to sign in, and to come back from there.
export const signInPath = (back: string) => `/sign-in?next=${encodeURIComponent(back)}`;
