// Profiles of users and organisations, and collections.
import { ApiError, json, nextLink, post, request } from './client';
import type { Collection, Account, Profile, RepoSummary, RepoType } from './types';

// A name is a user's or an organisation's; both share one namespace.
export async function getProfile(name: string): Promise<Profile> {
  const at = encodeURIComponent(name);
  try {
    return await json<Profile>(`/api/users/${at}/overview`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return json<Profile>(`/api/organizations/${at}/overview`);
    throw error;
  }
}

const group = (profile: Profile) => (profile.type === 'org' ? 'organizations' : 'users');
export const nameOf = (person: Account) => person.name ?? person.user ?? '';

export const follow = (profile: Profile, following: boolean) => post(`/api/${group(profile)}/${encodeURIComponent(nameOf(profile))}/follow`, {}, following ? 'POST' : 'DELETE');
export const listMembers = (name: string) => json<Account[]>(`/api/organizations/${encodeURIComponent(name)}/members?limit=100`);

export interface Slice<T> {
  items: T[];
  next: string | null; // where the rest begins
}

async function slice<T>(path: string): Promise<Slice<T>> {
  const response = await request(path);
  return { items: (await response.json()) as T[], next: nextLink(response.headers.get('Link')) };
}

export const listOwned = (type: RepoType, author: string) => slice<RepoSummary>(`/api/${type}?author=${encodeURIComponent(author)}&sort=lastModified&limit=10`);
export const listMore = (next: string) => slice<RepoSummary>(next);

export const listCollections = (owner: string) => json<Collection[]>(`/api/collections?owner=${encodeURIComponent(owner)}&limit=100`);
export const getCollection = (slug: string) => json<Collection>(`/api/collections/${slug.split('/').map(encodeURIComponent).join('/')}`);
