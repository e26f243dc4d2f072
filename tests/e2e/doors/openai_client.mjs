// The `openai` package against /v1/….
import OpenAI from 'openai';
import { CODER, LAST_WORDS, PARAMETERS, SCHEMA, SCRIPTED, check, checkArguments, checkSchema, job, key, refused, report, same, url } from './jobs.mjs';

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user', content: 'Write the file.' }];
const chatTools = [{ type: 'function', function: { name: 'write_file', parameters: PARAMETERS } }];
const tools = [{ type: 'function', name: 'write_file', parameters: PARAMETERS, strict: false }];

await job('models', async () => check((await client.models.list()).data.some((model) => model.id === SCRIPTED)));
await job('chat', async () => same((await client.chat.completions.create({ model: SCRIPTED, messages })).choices[0].message.content, LAST_WORDS));
await job('chat, streamed with usage', async () => {
  let text = '', usage;
  for await (const chunk of await client.chat.completions.create({ model: SCRIPTED, messages, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  same(text, LAST_WORDS);
  check(usage.completion_tokens > 0);
});
await job('chat, tool runner', async () => {
  const written = [];
  const runner = client.chat.completions.runTools({ model: SCRIPTED, messages, tools: [{ type: 'function', function: { ...chatTools[0].function, parse: JSON.parse, function: (given) => { written.push(given); return 'ok'; } } }] });
  same(await runner.finalContent(), LAST_WORDS);
  checkArguments(written[0]);
});
await job('chat, schema', async () => checkSchema((await client.chat.completions.create({ model: SCRIPTED, messages, response_format: { type: 'json_schema', json_schema: { name: 'a', schema: SCHEMA, strict: true } } })).choices[0].message.content));
await job('completions, suffix and logprobs', async () => {
  const answer = await client.completions.create({ model: CODER, prompt: 'def add(a, b):\n    return ', suffix: '\n', max_tokens: 4, logprobs: 1, temperature: 0 });
  check(answer.choices[0].logprobs.tokens.length > 0);
});
await job('embeddings', async () => check((await client.embeddings.create({ model: CODER, input: 'one' })).data[0].embedding.length > 8));
await job('responses', async () => {
  const answer = await client.responses.create({ model: SCRIPTED, instructions: 'Be brief.', input: 'Write the file.', max_output_tokens: 50 });
  same([answer.output_text, answer.status, answer.object], [LAST_WORDS, 'completed', 'response']);
  check(answer.usage.total_tokens === answer.usage.input_tokens + answer.usage.output_tokens);
});
await job('responses, streamed', async () => {
  let text = '';
  const numbers = [];
  const stream = client.responses.stream({ model: SCRIPTED, input: [{ role: 'user', content: [{ type: 'input_text', text: 'x' }] }] });
  for await (const event of stream) { numbers.push(event.sequence_number); if (event.type === 'response.output_text.delta') text += event.delta; }
  const final = await stream.finalResponse();
  same([text, final.output_text], [LAST_WORDS, LAST_WORDS]);
  same(numbers, numbers.map((_, i) => i));
});
for (const streamed of [false, true]) {
  await job(`responses, tool round trip${streamed ? ', streamed' : ''}`, async () => {
    const run = (input) => (streamed ? client.responses.stream({ model: SCRIPTED, input, tools, store: false }).finalResponse() : client.responses.create({ model: SCRIPTED, input, tools, store: false }));
    const first = await run(messages);
    const call = first.output.find((item) => item.type === 'function_call');
    checkArguments(JSON.parse(call.arguments));
    const second = await run([...messages, ...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'ok' }]);
    same(second.output_text, LAST_WORDS);
  });
}
await job('responses, schema', async () => checkSchema((await client.responses.create({ model: SCRIPTED, input: 'x', text: { format: { type: 'json_schema', name: 'a', schema: SCHEMA, strict: true } } })).output_text));
await job('responses, cut', async () => {
  const answer = await client.responses.create({ model: SCRIPTED, input: 'x', max_output_tokens: 1, text: { format: { type: 'json_schema', name: 'a', schema: SCHEMA } } });
  same([answer.status, answer.incomplete_details.reason], ['incomplete', 'max_output_tokens']);
});
await job('errors', async () => {
  const named = await refused(() => client.responses.create({ model: SCRIPTED, input: 'x', previous_response_id: 'resp_1' }));
  same([named.status, named.param, named.code], [400, 'previous_response_id', 'unsupported_parameter']);
  same((await refused(() => client.responses.create({ model: 'nobody/none', input: 'x' }))).status, 404);
  same((await refused(() => client.responses.create({ model: SCRIPTED, input: 'x', tools: [{ type: 'web_search' }] }))).param, 'tools[0]');
});
report();
