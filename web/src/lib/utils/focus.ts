import { tick } from 'svelte';

// Does the action of a button that is disabled meanwhile, and may be gone afterwards: the focus then goes back to it, or to the panel it was in
// (the nearest element with tabindex -1), never to the top of the page.
export async function keepFocus<T>(action: () => Promise<T>): Promise<T> {
  const before = document.activeElement as HTMLElement | null;
  const panel = before?.closest<HTMLElement>('[tabindex="-1"]');
  try {
    return await action();
  } finally {
    await tick();
    const usable = before?.isConnected && !before.matches(':disabled') && before !== document.body;
    const lost = !document.activeElement || document.activeElement === document.body || document.activeElement.matches(':disabled');
    if (lost) (usable ? before : panel?.isConnected ? panel : document.getElementById('main'))?.focus({ preventScroll: true });
  }
}
