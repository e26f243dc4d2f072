// What a file of jobs is written with. usage of such a file: node FILE URL KEY; prints one JSON object: job → true, or what went wrong.
import assert from 'node:assert/strict';

export const [url, key] = process.argv.slice(2);
export const SCRIPTED = 'admin/scripted', CODER = 'lyceum/stdlib-coder-3m', LAST_WORDS = 'The file is written.';
export const SCHEMA = { type: 'object', properties: { done: { type: 'boolean' }, size: { enum: [1, 2, 3] } }, required: ['done', 'size'], additionalProperties: false };
export const PARAMETERS = { type: 'object', properties: { file_path: { type: 'string' }, content: { type: 'string' } }, required: ['file_path', 'content'] };
export const same = assert.deepEqual, check = assert.ok;

const seen = {};
export async function job(name, work) {
  try { await work(); seen[name] = true; } catch (error) { seen[name] = String(error.stack ?? error).slice(0, 600); }
}
export const report = () => console.log(JSON.stringify(seen));
export const checkSchema = (text) => { const value = JSON.parse(text); same(Object.keys(value), ['done', 'size']); check(typeof value.done === 'boolean' && [1, 2, 3].includes(value.size)); };
export const checkArguments = (value) => { same(Object.keys(value), ['file_path', 'content']); check(value.file_path.endsWith('hello.txt') && value.content === 'hello\n', JSON.stringify(value)); };
export async function refused(work) {
  try { await work(); } catch (error) { return error; }
  throw new Error('it was not refused');
}
