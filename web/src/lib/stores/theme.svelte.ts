type Theme = 'light' | 'dark';

const stored = localStorage.getItem('theme') as Theme | null;
export const theme = $state<{ now: Theme }>({
  now: stored ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'),
});

function apply() {
  document.documentElement.dataset.theme = theme.now;
}

export function toggleTheme() {
  theme.now = theme.now === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', theme.now);
  apply();
}

apply();
