// How the search page names facets and their values, and how a size class becomes a filter.
export const facetTitles: Record<string, string> = {
  task: 'Task',
  library: 'Library',
  license: 'Licence',
  language: 'Language',
  format: 'Format',
  size: 'Parameters',
  base_model: 'Base model',
  size_categories: 'Rows',
};

// "license:mit" -> "mit", "base_model:a/b" -> "a/b".
export const facetLabel = (value: string) => value.replace(/^(license|language|format|library|base_model|size_categories|task_categories):/, '');

// "6B-12B" -> "min:6B,max:12B"; "<1B" -> "max:1B"; ">500B" -> "min:500B".
export function sizeRange(name: string): string {
  if (name.startsWith('<')) return 'max:' + name.slice(1);
  if (name.startsWith('>')) return 'min:' + name.slice(1);
  const [low, high] = name.split('-');
  return `min:${low},max:${high}`;
}
