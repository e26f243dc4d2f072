import { expect, it } from 'vitest';
import { gateFields, gateText } from './gate';

it('reads every kind of field of the form', () => {
  const card = {
    extra_gated_prompt: 'Why?',
    extra_gated_fields: { Name: 'text', Born: 'date_picker', Country: 'country', Use: { type: 'select', options: ['Research', { label: 'Other', value: 'other' }] }, 'I agree': 'checkbox' },
  };
  expect(gateFields(card).map((field) => [field.label, field.kind])).toEqual([['Name', 'text'], ['Born', 'date'], ['Country', 'text'], ['Use', 'select'], ['I agree', 'checkbox']]);
  expect(gateFields(card)[3].options).toEqual([{ label: 'Research', value: 'Research' }, { label: 'Other', value: 'other' }]);
  expect(gateText(card, 'prompt')).toBe('Why?');
  expect(gateText(card, 'heading')).toBeNull();
});

it('asks for nothing when the card does not say what', () => {
  expect(gateFields(undefined)).toEqual([]);
  expect(gateFields({ extra_gated_fields: 'text' })).toEqual([]);
});
