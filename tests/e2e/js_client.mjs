// @huggingface/hub against a hub. usage: node js_client.mjs URL TOKEN REPO; prints one JSON object of what it saw.
import { webcrypto as crypto } from 'node:crypto';
import { commit, countCommits, createBranch, createRepo, deleteFile, downloadFile, fileDownloadInfo, fileExists, listCommits, listFiles, listModels,
  modelInfo, pathsInfo, repoExists, uploadFiles, whoAmI } from '@huggingface/hub';

const [hubUrl, accessToken, name] = process.argv.slice(2);
const repo = { type: 'model', name };
const to = { hubUrl, accessToken, repo };
const seen = {};
const all = async (items) => { const out = []; for await (const item of items) out.push(item); return out; };
const step = async (key, work) => { try { seen[key] = await work(); } catch (error) { seen[key] = { error: String(error), cause: String(error.cause ?? '') }; } };
const large = new Uint8Array(12 << 20).map((_, i) => (i * 2654435761) >>> 13);
const digest = async (blob) => Buffer.from(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())).toString('hex');

await step('whoAmI', async () => (await whoAmI({ hubUrl, accessToken })).name);
await step('createRepo', async () => (await createRepo({ ...to, files: [{ path: 'first.txt', content: new Blob(['first']) }] })).repoUrl);
await step('repoExists', () => repoExists(to));
await step('uploadXet', () => uploadFiles({ ...to, useXet: true, files: [{ path: 'xet.bin', content: new Blob([large]) }, { path: 'dir/a.txt', content: new Blob(['hello']) }] }).then(Boolean));
await step('uploadLfs', () => uploadFiles({ ...to, useXet: false, files: [{ path: 'lfs.bin', content: new Blob([large.slice(1)]) }] }).then(Boolean));
await step('listFiles', async () => (await all(listFiles({ ...to, recursive: true, expand: true }))).map((f) => f.path));
await step('small', async () => (await downloadFile({ ...to, path: 'dir/a.txt' })).text());
await step('largeXet', async () => (await digest(await downloadFile({ ...to, path: 'xet.bin' }))) === (await digest(new Blob([large]))));
await step('largeLfs', async () => (await digest(await downloadFile({ ...to, path: 'lfs.bin' }))) === (await digest(new Blob([large.slice(1)]))));
await step('plain', async () => (await digest(await downloadFile({ ...to, path: 'xet.bin', xet: false }))) === (await digest(new Blob([large]))));
await step('info', async () => (await fileDownloadInfo({ ...to, path: 'xet.bin' })).size);
await step('missing', () => downloadFile({ ...to, path: 'nothing' }));
await step('fileExists', () => fileExists({ ...to, path: 'dir/a.txt' }));
await step('pathsInfo', async () => (await pathsInfo({ ...to, paths: ['dir/a.txt', 'nothing'] })).map((p) => p.path));
await step('createBranch', () => createBranch({ ...to, branch: 'dev' }).then(() => true));
await step('deleteFile', () => deleteFile({ ...to, path: 'first.txt' }).then(Boolean));
await step('pullRequest', async () => (await commit({ ...to, title: 'a change', isPullRequest: true, operations: [{ operation: 'addOrUpdate', path: 'p/pr.txt', content: new Blob(['pr']) }] })).pullRequestUrl);
await step('pullRequestTree', async () => (await all(listFiles({ ...to, path: 'p', revision: 'refs/pr/1' }))).map((f) => f.path));
await step('commits', async () => (await all(listCommits(to))).map((c) => c.title));
await step('countCommits', () => countCommits(to));
await step('modelInfo', async () => (await modelInfo({ hubUrl, accessToken, name })).name);
await step('listModels', async () => (await all(listModels({ hubUrl, accessToken, search: { owner: name.split('/')[0] }, limit: 500 }))).map((m) => m.name));
console.log(JSON.stringify(seen));
