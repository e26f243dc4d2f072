// The one thin client of the hub. Components get data from it through their route; they never fetch themselves.
import { repoPath } from '../utils/address';
import type { DeviceLogin, Lineage, Me, NewToken, RepoInfo, RepoType, SearchAnswer, SpaceApp, TokenRow, TreeEntry } from './types';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function failure(response: Response): Promise<ApiError> {
  const header = response.headers.get('X-Error-Message');
  let message = header ?? `the hub answered ${response.status}`;
  if (!header) {
    try {
      const body = await response.json();
      message = typeof body.error === 'string' ? body.error : (body.error?.message ?? message);
    } catch {
      // Not JSON: the status is all there is to say.
    }
  }
  return new ApiError(response.status, message);
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init });
  } catch {
    throw new ApiError(0, 'Lyceum does not answer. Is it still running?');
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export const post = (path: string, body: unknown, method = 'POST') =>
  request(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

export const json = async <T>(path: string): Promise<T> => (await request(path)).json() as Promise<T>;

export interface ListQuery {
  search: string;
  sort: string; // '' = best match for words, trending without
  filter: string[];
  size: string; // 'min:6B,max:12B' or ''
}

// Words with typing errors allowed, filters, and counts of what the hits have. cursor: the next of the page before, or ''.
export function searchRepos(type: RepoType, query: ListQuery, cursor: string): Promise<SearchAnswer> {
  const parameters = new URLSearchParams({ type, limit: '30', facets: '1' });
  if (query.search) parameters.set('q', query.search);
  if (query.sort) parameters.set('sort', query.sort);
  if (query.size) parameters.set('num_parameters', query.size);
  query.filter.forEach((tag) => parameters.append('filter', tag));
  if (cursor) parameters.set('cursor', cursor);
  return json<SearchAnswer>(`/api/lyceum/search?${parameters}`);
}

// The path of the rel="next" link, or null.
export function nextLink(header: string | null): string | null {
  const match = header?.match(/<([^>]+)>;\s*rel="next"/);
  if (!match) return null;
  const url = new URL(match[1], 'http://localhost');
  return url.pathname + url.search;
}

export const getRepo = (type: RepoType, id: string) => json<RepoInfo>(`/api/${type}/${id}?blobs=true`);
export const getTree = (type: RepoType, id: string, revision: string, folder: string) =>
  json<TreeEntry[]>(`/api/${type}/${id}/tree/${encodeURIComponent(revision)}${folder ? '/' + encodeURIComponent(folder) : ''}`);
export const getCard = async (type: RepoType, id: string) => (await request(`/api/lyceum/${type}/${id}/card`)).text();
export const getSpaceApp = (id: string) => json<SpaceApp>(`/api/lyceum/spaces/${id}/app`);

export async function getLineage(id: string): Promise<Lineage | null> {
  try {
    return await json<Lineage>(`/${id}/resolve/main/lineage.json`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const fileUrl = (type: RepoType, id: string, path: string, revision = 'main') =>
  `${repoPath(type, id)}/resolve/${encodeURIComponent(revision)}/${path.split('/').map(encodeURIComponent).join('/')}`;

export const getMe = () => json<Me | null>('/api/lyceum/me');
export const signIn = (credentials: { name: string; password: string } | { token: string }) => post('/api/lyceum/sign-in', credentials);
export const signOut = () => post('/api/lyceum/sign-out', {});
export const listTokens = () => json<TokenRow[]>('/api/lyceum/tokens');
export const createToken = async (wanted: NewToken) => (await (await post('/api/lyceum/tokens', wanted)).json()) as { token: string };
export const getDeviceLogin = (code: string) => json<DeviceLogin>(`/api/lyceum/device/${encodeURIComponent(code)}`);
export const decideDeviceLogin = (code: string, approve: boolean, role: string) => post(`/api/lyceum/device/${encodeURIComponent(code)}`, { approve, role });
export const revokeToken = (id: number) => post(`/api/lyceum/tokens/${id}`, {}, 'DELETE');

export interface Generation {
  path: '/v1/chat/completions' | '/v1/completions';
  body: Record<string, unknown>;
}

// Streams the pieces of an answer. Stops when the signal aborts.
export async function* generate(call: Generation, signal: AbortSignal): AsyncGenerator<string> {
  const response = await request(call.path, {
    method: 'POST',
    signal,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...call.body, stream: true }),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const events = pending.split('\n\n');
    pending = events.pop()!;
    for (const event of events) {
      const piece = eventText(event);
      if (piece) yield piece;
    }
  }
}

export function eventText(event: string): string {
  if (!event.startsWith('data: ') || event === 'data: [DONE]') return '';
  const value = JSON.parse(event.slice(6));
  if (value.error) throw new ApiError(500, value.error.message);
  const choice = value.choices?.[0];
  return choice?.delta?.content ?? choice?.text ?? '';
}
