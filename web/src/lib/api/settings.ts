// Likes, gates, and what the owner of a repository changes.
import { ApiError, json, nextLink, post, request } from './client';
import type { AccessRequest, RepoType, RequestStatus } from './types';

export const like = (type: RepoType, id: string, liked: boolean) => post(`/api/${type}/${id}/like`, {}, liked ? 'POST' : 'DELETE');

// Does the user like it? Reads the user's list, a thousand at a time.
export async function isLiked(type: RepoType, id: string, user: string): Promise<boolean> {
  for (let path: string | null = `/api/users/${user}/likes?limit=1000`; path; ) {
    const response: Response = await request(path);
    const likes = (await response.json()) as { repo: { name: string; type: string } }[];
    if (likes.some((one) => one.repo.name === id && one.repo.type + 's' === type)) return true;
    path = nextLink(response.headers.get('Link'));
  }
  return false;
}

// null: the caller may read the files. Otherwise what the hub says about it.
export async function getRefusal(type: RepoType, id: string): Promise<string | null> {
  try {
    await request(`/api/${type}/${id}/auth-check`);
    return null;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return error.message;
    throw error;
  }
}

export const askAccess = (path: string, answers: Record<string, unknown>) => post(`${path}/ask-access`, answers);
export const cancelRequest = (type: RepoType, id: string) => post(`/api/${type}/${id}/user-access-request/cancel`, {});
export const listRequests = (type: RepoType, id: string, status: RequestStatus) => json<AccessRequest[]>(`/api/${type}/${id}/user-access-request/${status}`);
export const decideRequest = (type: RepoType, id: string, user: string, status: RequestStatus) => post(`/api/${type}/${id}/user-access-request/handle`, { user, status });
export const grantAccess = (type: RepoType, id: string, user: string) => post(`/api/${type}/${id}/user-access-request/grant`, { user });

export const changeSettings = (type: RepoType, id: string, settings: { private?: boolean; gated?: false | 'auto' | 'manual' }) => post(`/api/${type}/${id}/settings`, settings, 'PUT');
export const moveRepo = (type: RepoType, id: string, to: string) => post('/api/repos/move', { type: type.slice(0, -1), fromRepo: id, toRepo: to });
export const deleteRepo = (type: RepoType, id: string) => post('/api/repos/delete', { type: type.slice(0, -1), name: id }, 'DELETE');
