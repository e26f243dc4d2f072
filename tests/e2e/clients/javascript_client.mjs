// @huggingface/hub: its operations, as matrix.py describes them. Large content goes through LFS or Xet as MATRIX_BYTES says.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as hub from '@huggingface/hub';

const hubUrl = process.env.HF_ENDPOINT, accessToken = process.env.HF_TOKEN, guestToken = process.env.MATRIX_GUEST_TOKEN;
const useXet = process.env.MATRIX_BYTES === 'xet';
const mine = { hubUrl, accessToken }, theirs = { hubUrl, accessToken: guestToken };
const only = process.env.MATRIX_ONLY ?? '';
const operations = [];
let number = 0;

const operation = (name, work) => operations.push([name, work]);
const all = async (items) => { const out = []; for await (const one of items) out.push(one); return out; };
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
const folder = () => mkdtempSync(join(process.env.MATRIX_WORK, 'js-'));
const large = (seed, size = 3 << 20) => { let x = seed * 2654435761 + 1; return new Uint8Array(size).map(() => { x = (x * 1664525 + 1013904223) >>> 0; return x >>> 13; }); };
const same = (seen, wanted) => { if (JSON.stringify(seen) !== JSON.stringify(wanted)) throw new Error(`saw ${JSON.stringify(seen)}, wanted ${JSON.stringify(wanted)}`.slice(0, 700)); };
const holds = (condition, what) => { if (!condition) throw new Error(String(what).slice(0, 700)); };
const newRepo = (type = 'model') => ({ type, name: `admin/j${++number}` });
const make = async (type, more = {}) => { const repo = newRepo(type); await hub.createRepo({ ...mine, repo, ...(type === 'space' ? { sdk: 'static' } : {}), ...more }); return repo; };
const put = (repo, path, content) => hub.uploadFiles({ ...mine, repo, useXet, files: [{ path, content: new Blob([content]) }] });
const get = async (repo, path, more = {}) => { const blob = await hub.downloadFile({ ...mine, repo, path, ...more }); return blob && Buffer.from(await bytesOf(blob)); };
const api = async (method, path, body, token = accessToken) => { const answer = await fetch(hubUrl + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) }); if (!answer.ok) throw new Error(`${path}: ${answer.status}`); return answer; };
const refuses = async (status, work, words = '') => {
  let seen;
  try { seen = await work(); } catch (error) {
    if (error.statusCode !== status) throw new Error(`status ${error.statusCode} (${error}), wanted ${status}`);
    holds(String(error.message).includes(words), `"${words}" is not in: ${error.message}`);
    return error;
  }
  throw new Error(`refused nothing, gave ${JSON.stringify(seen)}`);
};

operation('whoAmI', async () => {
  const me = await hub.whoAmI(mine);
  same([me.name, me.type, me.auth.type, me.auth.accessToken.role], ['admin', 'user', 'access_token', 'write']);
  await refuses(401, () => hub.whoAmI({ hubUrl, accessToken: 'hf_' + 'x'.repeat(34) }));
});

operation('createRepo with files and a licence, deleteRepo, repoExists', async () => {
  for (const type of ['model', 'dataset', 'space']) {
    const repo = newRepo(type);
    const { repoUrl } = await hub.createRepo({ ...mine, repo, license: 'mit', ...(type === 'space' ? { sdk: 'static' } : {}), files: [{ path: 'first.txt', content: new Blob(['first']) }] });
    same(repoUrl, `${hubUrl}/${type === 'model' ? '' : type + 's/'}${repo.name}`);
    same([(await get(repo, 'first.txt')).toString(), await hub.repoExists({ ...mine, repo })], ['first', true]);
    await refuses(409, () => hub.createRepo({ ...mine, repo, ...(type === 'space' ? { sdk: 'static' } : {}) }));
    await hub.deleteRepo({ ...mine, repo });
    same(await hub.repoExists({ ...mine, repo }), false);
  }
});

operation('private: checkRepoAccess, repoExists, downloads', async () => {
  const repo = await make('model', { visibility: 'private' });
  await put(repo, 'a.txt', 'secret');
  await hub.checkRepoAccess({ ...mine, repo });
  await refuses(404, () => hub.checkRepoAccess({ ...theirs, repo }));
  await refuses(401, () => hub.checkRepoAccess({ hubUrl, repo }));
  same([await hub.repoExists({ ...mine, repo }), await hub.repoExists({ ...theirs, repo }), await hub.repoExists({ hubUrl, repo })], [true, false, false]);
  same((await get(repo, 'a.txt')).toString(), 'secret');
  await refuses(404, () => hub.commit({ ...theirs, repo, title: 'x', operations: [{ operation: 'delete', path: 'a.txt' }] }));
});

operation('gated: access refused, then granted', async () => {
  const repo = await make();
  await put(repo, 'a.txt', 'precious');
  await api('PUT', `/api/models/${repo.name}/settings`, { gated: 'manual' });
  same((await hub.modelInfo({ ...theirs, name: repo.name })).gated, 'manual');
  await refuses(403, () => hub.downloadFile({ ...theirs, repo, path: 'a.txt' }));
  await api('POST', `/api/models/${repo.name}/user-access-request/grant`, { user: 'guest' });
  same(await (await hub.downloadFile({ ...theirs, repo, path: 'a.txt' })).text(), 'precious');
});

operation('uploadFile, uploadFiles, large and small', async () => {
  const repo = await make('dataset');
  const data = large(1);
  await hub.uploadFile({ ...mine, repo, file: { path: 'one.txt', content: new Blob(['one']) } });
  await hub.uploadFiles({ ...mine, repo, useXet, commitTitle: 'several', files: [{ path: 'w.bin', content: new Blob([data]) }, { path: 'dir/ü b.txt', content: new Blob(['odd']) }] });
  same([sha256(await get(repo, 'w.bin')), (await get(repo, 'dir/ü b.txt')).toString(), (await get(repo, 'one.txt')).toString()], [sha256(data), 'odd', 'one']);
  same((await all(hub.listCommits({ ...mine, repo })))[0].title, 'several');
});

operation('uploadFilesWithProgress', async () => {
  const repo = await make();
  const events = await all(hub.uploadFilesWithProgress({ ...mine, repo, useXet, files: [{ path: 'w.bin', content: new Blob([large(2)]) }] }));
  holds(events.some((e) => e.event === 'phase' && e.phase === 'committing') && events.some((e) => e.event === 'fileProgress' && e.progress === 1), JSON.stringify(events.slice(-3)));
  same(sha256(await get(repo, 'w.bin')), sha256(large(2)));
});

operation('commit: add, delete, parentCommit conflict, wrong branch', async () => {
  const repo = await make();
  const first = await put(repo, 'a.txt', 'a');
  const operations = [{ operation: 'addOrUpdate', path: 'b.txt', content: new Blob(['b']) }, { operation: 'delete', path: 'a.txt' }];
  const done = await hub.commit({ ...mine, repo, title: 'both', description: 'why', operations, parentCommit: first.commit.oid });
  same(done.commit.url, `${hubUrl}/${repo.name}/commit/${done.commit.oid}`);
  same((await all(hub.listFiles({ ...mine, repo }))).map((f) => f.path).filter((p) => p !== '.gitattributes'), ['b.txt']);
  await refuses(412, () => hub.commit({ ...mine, repo, title: 'late', operations: [{ operation: 'delete', path: 'b.txt' }], parentCommit: first.commit.oid }));
  await refuses(404, () => hub.commit({ ...mine, repo, branch: 'absent', title: 'x', operations: [{ operation: 'delete', path: 'b.txt' }] }));
  await refuses(404, () => hub.deleteFile({ ...mine, repo, path: 'absent' }));
  await refuses(403, () => hub.commit({ ...theirs, repo, title: 'x', operations: [{ operation: 'delete', path: 'b.txt' }] }));
});

operation('commit as a pull request, by a stranger, with a large file', async () => {
  const repo = await make();
  const { pullRequestUrl } = await hub.commit({ ...theirs, repo, useXet, title: 'Theirs', isPullRequest: true, operations: [{ operation: 'addOrUpdate', path: 'p/w.bin', content: new Blob([large(3)]) }] });
  same(pullRequestUrl, `${hubUrl}/${repo.name}/discussions/1`);
  same((await all(hub.listFiles({ ...mine, repo, path: 'p', revision: 'refs/pr/1' }))).map((f) => f.path), ['p/w.bin']);
  same([sha256(await get(repo, 'p/w.bin', { revision: 'refs/pr/1' })), await hub.fileExists({ ...mine, repo, path: 'p/w.bin' })], [sha256(large(3)), false]);
});

operation('deleteFile, deleteFiles', async () => {
  const repo = await make();
  await hub.uploadFiles({ ...mine, repo, files: ['a', 'b', 'c'].map((path) => ({ path, content: new Blob([path]) })) });
  await hub.deleteFile({ ...mine, repo, path: 'a' });
  await hub.deleteFiles({ ...mine, repo, paths: ['b'] });
  same((await all(hub.listFiles({ ...mine, repo }))).map((f) => f.path).filter((p) => p !== '.gitattributes'), ['c']);
});

operation('downloadFile: Range, raw, missing file, missing revision', async () => {
  const repo = await make();
  const data = large(4);
  await put(repo, 'w.bin', data);
  const blob = await hub.downloadFile({ ...mine, repo, path: 'w.bin', xet: useXet });
  same([blob.size, sha256(await bytesOf(blob)), sha256(await bytesOf(blob.slice(1_000_000, 1_000_100)))], [data.length, sha256(data), sha256(data.slice(1_000_000, 1_000_100))]);
  holds((await get(repo, 'w.bin', { raw: true })).toString().startsWith('version https://git-lfs'), 'the pointer');
  same(await hub.downloadFile({ ...mine, repo, path: 'absent' }), null);
  await refuses(404, () => hub.downloadFile({ ...mine, repo, path: 'w.bin', revision: 'absent' }));
  await put(repo, 'empty.txt', '');
  same((await get(repo, 'empty.txt')).length, 0);
});

operation('fileDownloadInfo, fileExists', async () => {
  const repo = await make();
  const data = large(5);
  await put(repo, 'w.bin', data);
  await put(repo, 'small.txt', 'small');
  const info = await hub.fileDownloadInfo({ ...mine, repo, path: 'w.bin' });
  same([info.size, info.etag], [data.length, `"${sha256(data)}"`]);
  if (useXet) holds(info.xet?.hash && info.xet.refreshUrl && info.xet.reconstructionUrl, JSON.stringify(info));
  same((await hub.fileDownloadInfo({ ...mine, repo, path: 'small.txt' })).size, 5);
  same(await hub.fileDownloadInfo({ ...mine, repo, path: 'absent' }), null);
  same([await hub.fileExists({ ...mine, repo, path: 'w.bin' }), await hub.fileExists({ ...mine, repo, path: 'absent' })], [true, false]);
});

operation('downloadFileToCacheDir and snapshotDownload', async () => {
  const repo = await make(), cacheDir = folder();
  await put(repo, 'w.bin', large(6));
  await put(repo, 'dir/a.txt', 'a');
  const path = await hub.downloadFileToCacheDir({ ...mine, repo, path: 'w.bin', cacheDir });
  same(sha256(readFileSync(path)), sha256(large(6)));
  const snapshot = await hub.snapshotDownload({ ...mine, repo, cacheDir });
  same([readFileSync(join(snapshot, 'dir/a.txt'), 'utf8'), sha256(readFileSync(join(snapshot, 'w.bin')))], ['a', sha256(large(6))]);
  const cache = await hub.scanCacheDir(cacheDir);
  same([cache.repos.length, cache.repos[0].id.name, cache.warnings.length], [1, repo.name, 0]);
});

operation('listFiles: recursive, expand, folder, many', async () => {
  const repo = await make();
  await hub.uploadFiles({ ...mine, repo, useXet, files: [...Array(120).keys()].map((i) => ({ path: `n/${i}.txt`, content: new Blob([String(i)]) })) });
  await put(repo, 'w.bin', large(7));
  const files = await all(hub.listFiles({ ...mine, repo, recursive: true, expand: true }));
  same(files.filter((f) => f.type === 'file' && f.path.startsWith('n/')).length, 120);
  const big = files.find((f) => f.path === 'w.bin');
  same([big.lfs.oid, big.size, typeof big.lastCommit.id], [sha256(large(7)), large(7).length, 'string']);
  same((await all(hub.listFiles({ ...mine, repo, path: 'n' }))).length, 120);
  await refuses(404, () => all(hub.listFiles({ ...mine, repo, path: 'absent' })));
});

operation('pathsInfo', async () => {
  const repo = await make();
  await put(repo, 'dir/a.txt', 'a');
  const info = await hub.pathsInfo({ ...mine, repo, paths: ['dir/a.txt', 'dir', 'absent'], expand: true });
  same(info.map((p) => [p.path, p.type]).sort(), [['dir', 'directory'], ['dir/a.txt', 'file']]);
  holds(info.every((p) => p.lastCommit), JSON.stringify(info));
});

operation('createBranch, deleteBranch, listCommits, countCommits', async () => {
  const repo = await make();
  await put(repo, 'a', '1');
  await hub.createBranch({ ...mine, repo, branch: 'dev' });
  await refuses(409, () => hub.createBranch({ ...mine, repo, branch: 'dev' }));
  await hub.createBranch({ ...mine, repo, branch: 'dev', overwrite: true });
  await hub.createBranch({ ...mine, repo, branch: 'blank', empty: true });
  await hub.uploadFiles({ ...mine, repo, branch: 'dev', files: [{ path: 'b', content: new Blob(['2']) }] });
  same([await hub.countCommits({ ...mine, repo }), await hub.countCommits({ ...mine, repo, revision: 'dev' })], [2, 3]);
  same((await all(hub.listCommits({ ...mine, repo, revision: 'dev', batchSize: 1 }))).length, 3);
  await hub.deleteBranch({ ...mine, repo, branch: 'dev' });
  await refuses(404, () => hub.countCommits({ ...mine, repo, revision: 'dev' }));
});

operation('listModels, listDatasets, listSpaces: search, tags, sort, fields', async () => {
  for (const [type, list] of [['model', hub.listModels], ['dataset', hub.listDatasets], ['space', hub.listSpaces]]) {
    const repo = await make(type);
    await put(repo, 'README.md', `---\nlicense: mit\ntags: [js-${type}]\n${type === 'space' ? 'sdk: static\n' : ''}---\n`);
    const names = async (search, more = {}) => (await all(list({ ...mine, search, limit: 500, ...more }))).map((one) => one.name);
    same(await names({ owner: 'admin', tags: [`js-${type}`] }), [repo.name]);
    same(await names({ query: repo.name.split('/')[1], tags: [`js-${type}`] }), [repo.name]);
    holds(!(await names({ owner: 'guest' })).includes(repo.name), 'owner');
    const [one] = await all(list({ ...mine, search: { tags: [`js-${type}`] }, additionalFields: ['author', 'tags', 'createdAt'], limit: 1 }));
    holds(one.id && one.author === 'admin' && one.tags.includes(`js-${type}`) && one.updatedAt instanceof Date, JSON.stringify(one));
  }
  await all(hub.listModels({ ...mine, search: { task: 'text-generation', apps: ['llama.cpp', 'vllm'], inferenceProviders: ['hf-inference'] }, sort: 'likes30d', limit: 3 }));
});

operation('modelInfo, datasetInfo, spaceInfo', async () => {
  const model = await make(), dataset = await make('dataset'), space = await make('space');
  const info = await hub.modelInfo({ ...mine, name: model.name, additionalFields: ['author', 'sha', 'tags', 'cardData', 'safetensors', 'gguf'] });
  same([info.name, info.author, info.private, info.sha.length], [model.name, 'admin', false, 40]);
  same([(await hub.datasetInfo({ ...mine, name: dataset.name })).name, (await hub.spaceInfo({ ...mine, name: space.name })).sdk], [dataset.name, 'static']);
  same((await hub.modelInfo({ ...mine, name: model.name, revision: info.sha, additionalFields: ['sha'] })).sha, info.sha);
  await refuses(404, () => hub.modelInfo({ ...mine, name: 'admin/absent' }));
});

operation('parseSafetensorsMetadata', async () => {
  const repo = await make();
  const head = Buffer.from(JSON.stringify({ a: { dtype: 'F32', shape: [10, 10], data_offsets: [0, 400] } }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  await put(repo, 'model.safetensors', Buffer.concat([size, head, Buffer.alloc(400)]));
  const { sharded, parameterCount } = await hub.parseSafetensorsMetadata({ ...mine, repo, computeParametersCount: true });
  same([sharded, parameterCount], [false, { F32: 100 }]);
});

operation('collections: create, list, delete', async () => {
  const { slug } = await hub.createCollection({ ...mine, collection: { title: `From JavaScript ${++number}`, namespace: 'admin', description: 'd', private: false } });
  const listed = await all(hub.listCollections({ ...mine, search: { owner: ['admin'], q: 'javascript' }, limit: 100 }));
  holds(listed.map((one) => one.slug).includes(slug), JSON.stringify(listed));
  await refuses(403, () => hub.deleteCollection({ ...theirs, slug }));
  await hub.deleteCollection({ ...mine, slug });
  await refuses(404, () => hub.deleteCollection({ ...mine, slug }));
});

operation('copyFile from a repository into a repository', async () => ({ absent: 'this version copies into buckets only' }));

operation('oauthLoginUrl and oauthHandleRedirect', async () => {
  const redirectUrl = 'https://example.org/back', kept = {};
  const ask = (path, body) =>
    fetch(hubUrl + path, { method: 'POST', body: JSON.stringify(body), headers: { Authorization: 'Bearer ' + mine.accessToken, 'Content-Type': 'application/json' } }).then((answer) => answer.json());
  const { clientId } = await ask('/api/lyceum/oauth/apps', { name: 'matrix', redirectUris: [redirectUrl] });
  const url = new URL(await hub.oauthLoginUrl({ hubUrl, clientId, redirectUrl, scopes: 'openid profile', localStorage: kept }));
  same([url.origin, url.pathname, url.searchParams.get('response_type')], [new URL(hubUrl).origin, '/oauth/authorize', 'code']);
  const { redirect } = await ask('/api/lyceum/oauth/authorization' + url.search, { approve: true });
  const login = await hub.oauthHandleRedirect({ hubUrl, redirectedUrl: redirect, ...kept });
  same([login.userInfo.preferred_username, login.scope], ['admin', 'openid profile']);
  same((await hub.whoAmI({ hubUrl, accessToken: login.accessToken })).name, 'admin');
  await refuses(400, () => hub.oauthHandleRedirect({ hubUrl, redirectedUrl: redirect, ...kept }));
});

operation('not offered: jobs', async () => {
  await refuses(501, () => hub.listJobs({ ...mine, namespace: 'admin' }), 'This hub');
  await refuses(501, () => hub.runJob({ ...mine, namespace: 'admin', dockerImage: 'python', command: ['true'], flavor: 'cpu-basic' }), 'This hub');
});

for (const [name, work] of operations) {
  if (!name.includes(only)) continue;
  const start = Date.now();
  let result = 'pass', detail = '';
  try {
    const seen = await work();
    if (seen?.absent) [result, detail] = ['n/a', seen.absent];
  } catch (error) {
    result = 'fail';
    detail = `${error}${error.cause ? ` (${error.cause})` : ''} ${String(error.stack).split('\n').find((line) => line.includes('javascript_client')) ?? ''}`.slice(0, 1200);
  }
  console.log(JSON.stringify({ operation: name, result, detail, seconds: (Date.now() - start) / 1000 }));
}
process.exit(0);
