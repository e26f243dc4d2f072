// What the pages offer. The server decides; this only keeps people from buttons that would be refused.
import type { Me } from '../api/types';

export function mayWrite(me: Me | null, id: string): boolean {
  if (!me) return false;
  const owner = id.split('/')[0];
  return Boolean(me.administrator) || me.name === owner || Boolean(me.organisations?.some((one) => one.name === owner && ['write', 'admin', 'owner'].includes(one.role)));
}
