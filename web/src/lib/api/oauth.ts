// Applications that sign people in with this hub: the developer's side and the person's decision.
import { json, post } from './client';

export interface OauthApp {
  clientId: string;
  name: string;
  homepage: string;
  owner: string;
  redirectUris: string[];
  confidential: boolean;
  createdAt: string;
  clientSecret?: string; // in the answer to its creation only
}

export interface Authorization {
  redirect?: string; // set, with `problem`: the request was wrong, and this takes the reason back to the application
  problem?: string;
  app: OauthApp;
  target: string;
  scopes: { name: string; meaning: string }[];
  ignored: string[];
  organizations: string[];
}

export const getAuthorization = (query: string) => json<Authorization>('/api/lyceum/oauth/authorization?' + query);
export const decideAuthorization = async (query: string, approve: boolean, organizations: string[]) =>
  (await (await post('/api/lyceum/oauth/authorization?' + query, { approve, organizations })).json()) as { redirect: string };

export const listApplications = () => json<OauthApp[]>('/api/lyceum/oauth/apps');
export const createApplication = async (wanted: { name: string; homepage: string; redirectUris: string[]; confidential: boolean }) =>
  (await (await post('/api/lyceum/oauth/apps', wanted)).json()) as OauthApp;
export const removeApplication = (clientId: string) => post('/api/lyceum/oauth/apps/' + clientId, {}, 'DELETE');
