import { getMe } from '../api/client';
import type { Me } from '../api/types';

export const session = $state<{ me: Me | null; known: boolean }>({ me: null, known: false });

export async function refreshSession() {
  session.me = await getMe().catch(() => null);
  session.known = true;
}
