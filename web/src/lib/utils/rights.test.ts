import { expect, it } from 'vitest';
import { mayWrite } from './rights';

it('lets owners, administrators and writing members change a repository', () => {
  const me = { name: 'ada', organisations: [{ name: 'lab', role: 'write' }, { name: 'club', role: 'read' }] };
  expect(mayWrite(me, 'ada/m')).toBe(true);
  expect(mayWrite(me, 'lab/m')).toBe(true);
  expect(mayWrite(me, 'club/m')).toBe(false);
  expect(mayWrite(me, 'bob/m')).toBe(false);
  expect(mayWrite({ name: 'root', administrator: true }, 'bob/m')).toBe(true);
  expect(mayWrite(null, 'ada/m')).toBe(false);
});
