// "Use this model": ready lines with this server's own address.
import type { RepoInfo, RepoType } from '../api/types';

export interface Snippet {
  title: string;
  code: string;
}

export function snippets(type: RepoType, repo: RepoInfo, origin: string): Snippet[] {
  const prefix = type === 'models' ? '' : `${type}/`;
  const flag = type === 'models' ? '' : ` --repo-type ${type.slice(0, -1)}`;
  const common: Snippet[] = [
    { title: 'Download', code: `export HF_ENDPOINT=${origin}\nhf download ${repo.id}${flag}` },
    { title: 'Clone with git', code: `git lfs install\ngit clone ${origin}/${prefix}${repo.id}` },
  ];
  if (type === 'datasets') {
    return [{ title: 'Python: datasets', code: `# HF_ENDPOINT=${origin}\nfrom datasets import load_dataset\n\nrows = load_dataset("${repo.id}")` }, ...common];
  }
  if (type === 'spaces') return common;
  const adapter = repo.siblings?.some((file) => file.rfilename === 'adapter_config.json');
  const chat: Snippet = {
    title: 'Python: openai',
    code: `from openai import OpenAI\n\nclient = OpenAI(base_url="${origin}/v1", api_key="hf_…")\nanswer = client.completions.create(model="${repo.id}", prompt="def ", max_tokens=64)\nprint(answer.choices[0].text)`,
  };
  const python: Snippet = adapter
    ? { title: 'Python: PEFT', code: `# HF_ENDPOINT=${origin}\nfrom peft import AutoPeftModelForCausalLM\n\nmodel = AutoPeftModelForCausalLM.from_pretrained("${repo.id}")` }
    : { title: 'Python: transformers', code: `# HF_ENDPOINT=${origin}\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained("${repo.id}")\nmodel = AutoModelForCausalLM.from_pretrained("${repo.id}")` };
  const terminal: Snippet = { title: 'In the terminal', code: adapter ? `lyceum deploy BASE --adapter ${repo.id}` : `lyceum run ${repo.id}` };
  const tune: Snippet[] = adapter ? [] : [{ title: 'Tune it on your code', code: `lyceum tune ${repo.id} --data ./my-project --to me/my-adapter` }];
  return [chat, terminal, python, ...tune, ...common];
}
