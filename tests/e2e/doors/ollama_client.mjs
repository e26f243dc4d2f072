// The `ollama` package against /api/….
import { Ollama } from 'ollama';
import { CODER, LAST_WORDS, PARAMETERS, SCHEMA, SCRIPTED, check, checkArguments, checkSchema, job, key, refused, report, same, url } from './jobs.mjs';

const client = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });
const messages = [{ role: 'user', content: 'Write the file.' }];
const tools = [{ type: 'function', function: { name: 'write_file', description: 'Writes a file', parameters: PARAMETERS } }];
const checkEnd = (last) => {
  check(last.done && last.eval_count > 0 && last.prompt_eval_count > 0 && last.total_duration >= last.prompt_eval_duration, JSON.stringify(last));
  check(Math.abs(Date.now() - new Date(last.created_at)) < 600_000);
};

await job('version', async () => check(/^\d+\.\d+\.\d+$/.test((await client.version()).version)));
await job('list', async () => {
  const { models } = await client.list();
  const one = models.find((model) => model.name === `${SCRIPTED}:latest`);
  check(one.size > 1e6 && one.digest.length === 40 && models.some((model) => model.model === `${CODER}:latest`));
});
await job('show', async () => {
  const shown = await client.show({ model: `${SCRIPTED}:latest` });
  check(shown.capabilities.includes('tools') && shown.capabilities.includes('thinking') && shown.template.includes('tool_call'));
  same([shown.details.family, shown.model_info['llama.context_length']], ['llama', 131072]);
  check((await client.show({ model: CODER })).capabilities.includes('insert'));
});
await job('load', async () => same((await client.generate({ model: SCRIPTED, prompt: '', keep_alive: '5m' })).done_reason, 'load'));
await job('ps', async () => check((await client.ps()).models.some((model) => model.name === `${SCRIPTED}:latest`)));
await job('chat', async () => {
  const answer = await client.chat({ model: `${SCRIPTED}:latest`, messages, keep_alive: -1, options: { temperature: 0, num_ctx: 4096 } });
  same([answer.message.content, answer.message.role, answer.done_reason], [LAST_WORDS, 'assistant', 'stop']);
  checkEnd(answer);
});
await job('chat, streamed', async () => {
  let text = '', last;
  for await (const part of await client.chat({ model: SCRIPTED, messages, stream: true })) { text += part.message.content; last = part; }
  same([text, last.done_reason], [LAST_WORDS, 'stop']);
  checkEnd(last);
});
for (const stream of [false, true]) {
  await job(`tool round trip${stream ? ', streamed' : ''}`, async () => {
    const run = async (history) => {
      const answer = await client.chat({ model: SCRIPTED, messages: history, tools, stream });
      if (!stream) return answer.message;
      const whole = { role: 'assistant', content: '', tool_calls: [] };
      for await (const part of answer) { whole.content += part.message.content; whole.tool_calls.push(...(part.message.tool_calls ?? [])); }
      return whole;
    };
    const first = await run(messages);
    same([first.content, first.tool_calls.length, first.tool_calls[0].function.name], ['', 1, 'write_file']);
    checkArguments(first.tool_calls[0].function.arguments);
    const second = await run([...messages, first, { role: 'tool', tool_name: 'write_file', content: 'ok' }]);
    same(second.content, LAST_WORDS);
  });
}
await job('format: a schema', async () => checkSchema((await client.chat({ model: SCRIPTED, messages, format: SCHEMA })).message.content));
await job('format: json', async () => check((await client.generate({ model: SCRIPTED, prompt: 'x', format: 'json', options: { num_predict: 4 } })).response.startsWith('{')));
await job('think', async () => same((await client.chat({ model: SCRIPTED, messages, think: false })).message.content, LAST_WORDS));
await job('generate', async () => {
  const answer = await client.generate({ model: SCRIPTED, prompt: 'Write it.', system: 'Be brief.' });
  same(answer.response, LAST_WORDS);
  checkEnd(answer);
});
await job('generate, raw and streamed', async () => {
  let text = '', last;
  for await (const part of await client.generate({ model: CODER, prompt: 'def read(path):\n', raw: true, stream: true, options: { num_predict: 12, temperature: 0, stop: ['\n\n\n'] } })) { text += part.response; last = part; }
  check(text.length > 0);
  checkEnd(last);
});
await job('fill in the middle', async () => {
  const answer = await client.generate({ model: CODER, prompt: 'def add(a, b):\n    return ', suffix: '\n', options: { num_predict: 8, temperature: 0, seed: 1 } });
  check(answer.eval_count > 0 && answer.prompt_eval_count > 8);
});
await job('embed', async () => {
  const { embeddings } = await client.embed({ model: CODER, input: ['one', 'two'] });
  check(embeddings.length === 2 && embeddings[0].length === embeddings[1].length && Math.abs(embeddings[0].reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3);
});
await job('embeddings', async () => check((await client.embeddings({ model: CODER, prompt: 'one' })).embedding.length > 8));
await job('abort', async () => {
  const stream = await client.generate({ model: CODER, prompt: 'def f():', raw: true, stream: true, options: { num_predict: 400 } });
  setTimeout(() => stream.abort(), 50);
  const error = await (async () => { for await (const part of stream) check(part); })().catch((caught) => caught);
  check(error === undefined || error.name === 'AbortError', String(error));
});
await job('errors', async () => {
  same((await refused(() => client.chat({ model: 'nobody/none', messages }))).status_code, 404);
  const option = await refused(() => client.chat({ model: SCRIPTED, messages, options: { mirostat: 2 } }));
  check(option.status_code === 400 && option.error.includes('options.mirostat'), option.error);
  check((await refused(() => client.pull({ model: 'llama3' }))).message.includes('repositories of this hub'));
});
report();
