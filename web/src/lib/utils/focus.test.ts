import { expect, it } from 'vitest';
import { keepFocus } from './focus';

it('gives the focus back, or to the panel when the button is gone', async () => {
  document.body.innerHTML = '<section tabindex="-1"><button>Merge</button></section>';
  const button = document.querySelector('button')!;
  button.focus();
  await keepFocus(async () => button.blur());
  expect(document.activeElement).toBe(button);
  await keepFocus(async () => button.remove());
  expect(document.activeElement).toBe(document.querySelector('section'));
});
