// @huggingface/hub lists a catalogue. usage: node js_listing.mjs URL TOKEN OWNER; prints one JSON object of what it saw.
import { listModels } from '@huggingface/hub';

const [hubUrl, accessToken, owner] = process.argv.slice(2);
const all = async (parameters) => { const out = []; for await (const one of listModels({ hubUrl, accessToken, ...parameters })) out.push(one); return out; };
const search = { owner };

console.log(JSON.stringify({
  count: (await all({ search })).length,
  task: (await all({ search: { owner, task: 'text-generation' } })).length,
  largest: (await all({ search, sort: 'num_parameters', limit: 1 }))[0].name,
  downloads: (await all({ search, sort: 'downloads', limit: 20 })).map((one) => one.downloads),
  tagged: (await all({ search: { owner, tags: ['odd'] }, additionalFields: ['tags', 'safetensors', 'downloadsAllTime'] })).length,
}));
