// Tuning jobs of the hub.
import { ApiError, json, nextLink, post, request } from './client';

export type JobState = 'queued' | 'running' | 'planned' | 'done' | 'stopped' | 'interrupted' | 'failed';

export interface JobInput {
  type: 'models' | 'datasets' | 'spaces';
  id: string;
  commit: string;
}

export interface Job {
  id: string;
  owner: string;
  user: string;
  state: JobState;
  plan_only: boolean;
  message: string;
  stop_asked: boolean;
  base: JobInput;
  data: JobInput;
  to: string;
  private: boolean;
  memory_bytes: number;
  may_control: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  recipe?: Record<string, unknown>;
  result: { repo?: string; commit?: string; steps?: number; seconds?: number; evaluations?: unknown[]; loss?: { first?: number; last?: number } };
  progress: { phase?: string; message?: string; step?: number; steps?: number; loss?: number; tokens_per_second?: number; seconds_left?: number; memory_bytes?: number };
  curve?: CurvePoint[];
  has_plan?: boolean;
  command?: string[];
}

export type CurvePoint = [step: number, loss: number, steps: number];

export interface Plan {
  sample?: { text: string; learned: boolean }[];
  memory?: Record<string, number>;
  [key: string]: unknown;
}

export interface Preset {
  id: string;
  name: string;
  about: string;
  recipe: Record<string, unknown>;
}

export interface JobOrder {
  base: string;
  data: string;
  to: string;
  private: boolean;
  plan: boolean;
  recipe: Record<string, unknown> | string;
}

export interface LogLine {
  number: number;
  at: string;
  text: string;
}

const path = (owner: string, id: string) => `/api/lyceum/jobs/${encodeURIComponent(owner)}/${encodeURIComponent(id)}`;

export const getPresets = () => json<{ presets: Preset[]; memory_limit_bytes: number }>('/api/lyceum/job-presets');
export async function listJobs(owner: string, from = ''): Promise<{ jobs: Job[]; next: string | null }> {
  const response = await request(from || `/api/lyceum/jobs${owner ? '/' + encodeURIComponent(owner) : ''}`);
  return { jobs: (await response.json()) as Job[], next: nextLink(response.headers.get('Link')) };
}
export const getJob = (owner: string, id: string) => json<Job>(path(owner, id));
export const getLog = (owner: string, id: string, after: number) => json<LogLine[]>(`${path(owner, id)}/log?after=${after}`);
export const submitJob = async (owner: string, order: JobOrder) => (await (await post(`/api/lyceum/jobs/${encodeURIComponent(owner)}`, order)).json()) as Job;
export const commandJob = async (owner: string, id: string, word: 'start' | 'stop' | 'resume') => (await (await post(`${path(owner, id)}/${word}`, {})).json()) as Job;
export const deleteJob = (owner: string, id: string) => post(path(owner, id), {}, 'DELETE');
export const deploy = (model: string, adapters: string[]) => post('/api/lyceum/deployments', { model, adapters });

export async function getPlan(owner: string, id: string): Promise<Plan | null> {
  try {
    return await json<Plan>(`${path(owner, id)}/plan`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

const base64 = (bytes: Uint8Array) => {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
};

// Files of a folder or a choice of files into a private dataset repository, in one commit.
export async function uploadData(id: string, files: File[]): Promise<void> {
  const [organization, name] = id.split('/');
  await post('/api/repos/create', { type: 'dataset', name, organization, private: true });
  const lines = [JSON.stringify({ key: 'header', value: { summary: 'Data to learn from' } })];
  for (const file of files) {
    const inside = file.webkitRelativePath.split('/').slice(1).join('/') || file.name;
    lines.push(JSON.stringify({ key: 'file', value: { path: inside, content: base64(new Uint8Array(await file.arrayBuffer())), encoding: 'base64' } }));
  }
  await request(`/api/datasets/${id}/commit/main`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: lines.join('\n') });
}
