// The form that a gated repository's card asks for (extra_gated_fields).
export interface GateField {
  label: string;
  kind: 'text' | 'checkbox' | 'select' | 'date';
  options: { label: string; value: string }[];
}

const kindOf = (name: unknown): GateField['kind'] => (name === 'checkbox' || name === 'select' ? name : name === 'date_picker' ? 'date' : 'text');

function option(one: unknown): { label: string; value: string } {
  if (typeof one !== 'object' || one === null) return { label: String(one), value: String(one) };
  const { label, value } = one as { label?: unknown; value?: unknown };
  return { label: String(label ?? value), value: String(value ?? label) };
}

export function gateFields(card: Record<string, unknown> | undefined): GateField[] {
  const fields = card?.extra_gated_fields;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return [];
  return Object.entries(fields).map(([label, value]) => {
    if (typeof value !== 'object' || value === null) return { label, kind: kindOf(value), options: [] };
    const { type, options } = value as { type?: unknown; options?: unknown };
    return { label, kind: kindOf(type), options: Array.isArray(options) ? options.map(option) : [] };
  });
}

export const gateText = (card: Record<string, unknown> | undefined, key: 'heading' | 'prompt' | 'button_content'): string | null => {
  const text = card?.[`extra_gated_${key}`];
  return typeof text === 'string' && text.trim() ? text : null;
};
