// @anthropic-ai/sdk against /v1/messages.
import Anthropic from '@anthropic-ai/sdk';
import { CODER, LAST_WORDS, PARAMETERS, SCHEMA, SCRIPTED, check, checkArguments, checkSchema, job, key, refused, report, same, url } from './jobs.mjs';

const client = new Anthropic({ baseURL: url, apiKey: key, authToken: null, maxRetries: 0 });
const ask = [{ role: 'user', content: 'Write the file.' }];
const base = { model: SCRIPTED, max_tokens: 100, messages: ask };
const tools = [{ name: 'write_file', description: 'Writes a file', input_schema: PARAMETERS }];

await job('message', async () => {
  const message = await client.messages.create({ ...base, system: 'Be brief.' });
  same(message.content, [{ type: 'text', text: LAST_WORDS, citations: null }]);
  same([message.type, message.role, message.model, message.stop_reason, message.stop_sequence], ['message', 'assistant', SCRIPTED, 'end_turn', null]);
  check(message.id.startsWith('msg_') && message.usage.input_tokens + message.usage.cache_read_input_tokens > 5 && message.usage.output_tokens > 0);
});
await job('turns, blocks and caching marks', async () => {
  const message = await client.messages.create({ ...base, system: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }, { type: 'text', text: 'b' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'one' }] }, { role: 'assistant', content: [{ type: 'text', text: 'two' }] }, { role: 'user', content: 'three' }] });
  same(message.content[0].text, LAST_WORDS);
});
await job('a begun answer goes on', async () => same((await client.messages.create({ ...base, messages: [...ask, { role: 'assistant', content: 'So:' }] })).content[0].text, LAST_WORDS));
await job('stop_sequences', async () => {
  const message = await client.messages.create({ ...base, stop_sequences: ['nothing', ' is'] });
  same([message.content[0].text, message.stop_reason, message.stop_sequence], ['The file', 'stop_sequence', ' is']);
});
await job('max_tokens', async () => same((await client.messages.create({ ...base, max_tokens: 1 })).stop_reason, 'max_tokens'));
await job('raw events in order', async () => {
  const seen = [];
  for await (const event of await client.messages.create({ ...base, stream: true })) seen.push(event.type);
  same([...new Set(seen)], ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop']);
});
await job('stream helper', async () => {
  const stream = client.messages.stream(base);
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const message = await stream.finalMessage();
  same([text, message.content[0].text, message.stop_reason], [LAST_WORDS, LAST_WORDS, 'end_turn']);
  check(message.usage.output_tokens > 0);
});
for (const streamed of [false, true]) {
  await job(`tool round trip${streamed ? ', streamed' : ''}`, async () => {
    const run = (messages) => (streamed ? client.messages.stream({ ...base, tools, messages }).finalMessage() : client.messages.create({ ...base, tools, messages }));
    const first = await run(ask);
    same([first.stop_reason, first.content.length, first.content[0].type, first.content[0].name], ['tool_use', 1, 'tool_use', 'write_file']);
    checkArguments(first.content[0].input);
    const result = { type: 'tool_result', tool_use_id: first.content[0].id, content: [{ type: 'text', text: 'ok' }] };
    const second = await run([...ask, { role: 'assistant', content: first.content }, { role: 'user', content: [result, { type: 'text', text: 'Go on.' }] }]);
    same([second.stop_reason, second.content[0].text], ['end_turn', LAST_WORDS]);
  });
}
await job('tool_choice', async () => {
  same((await client.messages.create({ ...base, tools, tool_choice: { type: 'any', disable_parallel_tool_use: true } })).stop_reason, 'tool_use');
  same((await client.messages.create({ ...base, tools, tool_choice: { type: 'tool', name: 'write_file' } })).content[0].name, 'write_file');
  same((await client.messages.create({ ...base, tools, tool_choice: { type: 'none' } })).content[0].text, LAST_WORDS);
});
await job('structured output', async () => checkSchema((await client.messages.create({ ...base, output_config: { format: { type: 'json_schema', schema: SCHEMA } } })).content[0].text));
await job('count_tokens', async () => {
  const few = (await client.messages.countTokens({ model: SCRIPTED, messages: ask })).input_tokens;
  const more = (await client.messages.countTokens({ model: SCRIPTED, messages: ask, tools, system: 'x' })).input_tokens;
  const message = await client.messages.create(base);
  check(more > few);
  same(message.usage.input_tokens + message.usage.cache_read_input_tokens, few);
});
await job('models', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  check(names.includes(SCRIPTED) && names.includes(CODER));
});
await job('either kind of key', async () => {
  const bearer = new Anthropic({ baseURL: url, authToken: key, apiKey: null, maxRetries: 0 });
  same((await bearer.messages.create(base)).content[0].text, LAST_WORDS);
  const foreign = new Anthropic({ baseURL: url, apiKey: 'sk-ant-not-ours', maxRetries: 0 });
  same((await foreign.messages.create(base)).content[0].text, LAST_WORDS);   // a public model
});
await job('errors', async () => {
  const wrong = new Anthropic({ baseURL: url, apiKey: 'hf_wrong', maxRetries: 0 });
  const cases = [[wrong, {}, 401, 'authentication_error'], [client, { model: 'nobody/none' }, 404, 'not_found_error'], [client, { temperature: 'hot' }, 400, 'invalid_request_error'],
    [client, { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'x' } }] }] }, 400, 'invalid_request_error']];
  for (const [who, more, status, type] of cases) {
    const error = await refused(() => who.messages.create({ ...base, ...more }));
    same([error.status, error.error.error.type], [status, type]);
  }
});
report();
