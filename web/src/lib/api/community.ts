// Discussions and pull requests.
import { ApiError, json, post } from './client';
import type { Discussion, DiscussionList, RepoType } from './types';

export interface DiscussionQuery {
  type: 'all' | 'discussion' | 'pull_request';
  status: 'all' | 'open' | 'closed'; // drafts are open, merged ones closed
  page: number; // from 0, 50 on each
}
export const discussionsPerPage = 50;

const base = (type: RepoType, id: string) => `/api/${type}/${id}/discussions`;

export const listDiscussions = (type: RepoType, id: string, query: DiscussionQuery) =>
  json<DiscussionList>(`${base(type, id)}?type=${query.type}&status=${query.status}&p=${query.page}`);

export const getDiscussion = (type: RepoType, id: string, number: number) => json<Discussion>(`${base(type, id)}/${number}`);

// A pull request's difference and conflicts; null where a gate keeps the caller from the files.
export async function getChanges(type: RepoType, id: string, number: number): Promise<{ diff: string; conflicts: string[] } | null> {
  try {
    const found = await json<Discussion>(`${base(type, id)}/${number}?diff=true`);
    return { diff: found.diff ?? '', conflicts: found.filesWithConflicts };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
    throw error;
  }
}

export async function openDiscussion(type: RepoType, id: string, title: string, description: string, pullRequest: boolean): Promise<number> {
  const made = (await (await post(base(type, id), { title, description, pullRequest })).json()) as Discussion;
  return made.num;
}

export const comment = (type: RepoType, id: string, number: number, text: string) => post(`${base(type, id)}/${number}/comment`, { comment: text });
export const rename = (type: RepoType, id: string, number: number, title: string) => post(`${base(type, id)}/${number}/title`, { title });
export const setStatus = (type: RepoType, id: string, number: number, status: 'open' | 'closed', text: string) =>
  post(`${base(type, id)}/${number}/status`, text ? { status, comment: text } : { status });
export const merge = (type: RepoType, id: string, number: number, text: string) => post(`${base(type, id)}/${number}/merge`, text ? { comment: text } : {});
