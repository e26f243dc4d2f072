// What the pages read of the hub's answers. Field names are those of the wire protocol.
export type RepoType = 'models' | 'datasets' | 'spaces';

export interface RepoSummary {
  id: string;
  author: string;
  private: boolean;
  gated?: false | 'auto' | 'manual';
  likes: number;
  downloads: number;
  tags: string[];
  pipeline_tag?: string;
  library_name?: string;
  lastModified: string;
  sdk?: string;
}

export interface Facet {
  name: string;
  values: { value: string; count: number }[];
}

export interface SearchAnswer {
  items: RepoSummary[];
  next: string | null;
  total?: number;
  approximate?: boolean;
  facets?: Facet[];
}

export interface RepoInfo extends RepoSummary {
  sha: string;
  createdAt: string;
  cardData?: Record<string, unknown>;
  safetensors?: { parameters: Record<string, number>; total: number };
  gguf?: { total: number; architecture: string; context_length: number };
  config?: Record<string, unknown>;
  siblings?: { rfilename: string; size?: number }[];
}

export interface TreeEntry {
  type: 'file' | 'directory';
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number };
}

export interface Me {
  name: string;
  fullname?: string;
  administrator?: boolean;
  organisations?: { name: string; role: string }[];
}

export interface TokenRow {
  id: number;
  name: string;
  role: TokenRole;
  createdAt: string;
  lastUsedAt?: string | null;
  expiresAt?: string | null;
  scoped?: TokenScope[];
}

export type TokenRole = 'read' | 'write' | 'fineGrained';

export interface TokenScope {
  entity: { type: string; name: string };
  permissions: string[];
}

export interface NewToken {
  name: string;
  role: TokenRole;
  expiresInDays?: number;
  scoped?: TokenScope[];
}

export interface DeviceLogin {
  code: string;
  address: string;
  createdAt: string;
}

export interface SpaceApp {
  task: 'chat' | 'text-generation' | 'fill-in-the-middle';
  title: string;
  model: string;
  adapter?: string;
  system_prompt?: string;
  placeholder?: string;
  about?: string;
  examples: { text: string; suffix?: string }[];
  parameters: Record<string, number>;
}

export interface Lineage {
  program?: { version?: string };
  kind?: string;
  [key: string]: unknown;
}

export type DiscussionStatus = 'draft' | 'open' | 'closed' | 'merged';

export interface Person {
  name: string;
}

export interface DiscussionSummary {
  num: number;
  title: string;
  status: DiscussionStatus;
  isPullRequest: boolean;
  createdAt: string;
  numComments: number;
  author?: Person; // absent once the account is gone
}

export interface DiscussionList {
  count: number;
  start: number;
  discussions: DiscussionSummary[];
}

interface EventOf<Type extends string, Data> {
  id: string;
  type: Type;
  createdAt: string;
  author?: Person;
  data: Data;
}

export type DiscussionEvent =
  | EventOf<'comment', { edited: boolean; hidden: boolean; latest: { raw: string; html: string; updatedAt: string } }>
  | EventOf<'status-change', { status: DiscussionStatus }>
  | EventOf<'title-change', { from: string; to: string }>
  | EventOf<'commit', { subject: string; oid: string }>;

export interface Discussion extends DiscussionSummary {
  events: DiscussionEvent[];
  filesWithConflicts: string[];
  changes?: { base: string; mergeCommitId?: string };
  diff?: string;
}

export interface Commit {
  id: string;
  title: string;
  message: string;
  date: string;
  authors: { user: string }[];
  parents: string[];
}

export interface Ref {
  name: string;
  ref: string;
}

export interface Refs {
  branches: Ref[];
  tags: Ref[];
  pullRequests?: Ref[];
}

export type RequestStatus = 'pending' | 'accepted' | 'rejected';

export interface AccessRequest {
  requestId: string;
  user: { user: string; fullname: string; email?: string };
  status: RequestStatus;
  timestamp: string;
  fields?: Record<string, unknown>;
}

export interface Account {
  type: 'user' | 'org';
  fullname: string;
  user?: string; // of a user
  name?: string; // of an organisation
  role?: string; // in the organisation that was asked about; its members see it
}

export interface Profile extends Account {
  numModels: number;
  numDatasets: number;
  numSpaces: number;
  numFollowers: number;
  isFollowing: boolean;
  numFollowing?: number;
  numUsers?: number;
  orgs?: { name: string; fullname: string; roleInOrg?: string }[];
}

export interface CollectionItem {
  _id: string;
  id: string;
  type: 'model' | 'dataset' | 'space' | 'collection';
  title?: string; // of a collection, as is the slug
  slug?: string;
  downloads?: number;
  likes?: number;
  lastModified?: string;
  pipeline_tag?: string;
  private?: boolean;
  note?: { text: string };
}

export interface Collection {
  slug: string;
  title: string;
  description?: string;
  lastUpdated: string;
  owner: Account;
  private: boolean;
  upvotes: number;
  numberItems: number;
  items: CollectionItem[];
}
