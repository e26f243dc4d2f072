// The evaluation results of a card's model-index, as far as they are well formed: cards are anybody's text.
export interface Evaluation {
  metric: string;
  value: string;
  data: string;
}

type Loose = Record<string, unknown>;
const list = (value: unknown): Loose[] => (Array.isArray(value) ? value.filter((one): one is Loose => typeof one === 'object' && one !== null) : []);
const text = (value: unknown) => (typeof value === 'string' ? value : '');

export function resultsOf(card?: Loose): Evaluation[] {
  const out: Evaluation[] = [];
  for (const model of list(card?.['model-index'])) {
    for (const result of list(model.results)) {
      const dataset = (result.dataset ?? {}) as Loose;
      for (const metric of list(result.metrics)) {
        if (typeof metric.value !== 'number' && typeof metric.value !== 'string') continue;
        const value = typeof metric.value === 'number' ? String(Number(metric.value.toPrecision(5))) : metric.value;
        out.push({ metric: text(metric.name) || text(metric.type), value, data: text(dataset.name) });
      }
    }
  }
  return out.slice(0, 40);
}
