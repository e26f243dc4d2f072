// The address is the state: routes read it here, links change it without loading the page anew.
export const address = $state({ path: location.pathname, query: new URLSearchParams(location.search) });

function read() {
  address.path = location.pathname;
  address.query = new URLSearchParams(location.search);
}

// stay: keeps the scroll position, for a change within a page.
export function go(url: string, replace = false, stay = replace) {
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  read();
  if (!stay) scrollTo(0, 0);
}

// A path of this site that somebody's link named, or the first page: a link must not lead people elsewhere after they signed in.
export function localPath(path: string | null): string {
  return path && /^\/[^/\\]/.test(path) ? path : '/';
}

// Plain clicks on links within this site stay in the page; files and API addresses are left to the browser.
export function followLinks(event: MouseEvent) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element).closest('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (/^\/(api|v1)\/|\/(resolve|raw)\//.test(link.pathname)) return;
  if (link.hash && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.href);
}

addEventListener('popstate', read);
