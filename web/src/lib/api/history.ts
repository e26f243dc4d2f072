// Branches, tags and commits.
import { json, request } from './client';
import type { Commit, Refs, RepoType } from './types';

export const commitsPerPage = 50;

export const listRefs = (type: RepoType, id: string) => json<Refs>(`/api/${type}/${id}/refs?include_prs=1`);

export async function listCommits(type: RepoType, id: string, revision: string, page: number): Promise<{ commits: Commit[]; total: number }> {
  const response = await request(`/api/${type}/${id}/commits/${encodeURIComponent(revision)}?limit=${commitsPerPage}&cursor=${page * commitsPerPage}`);
  const commits = (await response.json()) as Commit[];
  return { commits, total: Number(response.headers.get('X-Total-Count') ?? commits.length) };
}

export async function getCommit(type: RepoType, id: string, commit: string): Promise<Commit> {
  return (await json<Commit[]>(`/api/${type}/${id}/commits/${encodeURIComponent(commit)}?limit=1`))[0];
}

// As git writes it.
export const getDiff = async (type: RepoType, id: string, before: string, after: string) =>
  (await request(`/api/${type}/${id}/compare/${encodeURIComponent(before)}..${encodeURIComponent(after)}`)).text();
