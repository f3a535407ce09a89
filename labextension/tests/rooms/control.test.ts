import { describe, expect, it } from 'vitest';
import { Api } from '../../src/api';
import { frozen, hoursUntil, isFrozen, RoomControl, switched } from '../../src/rooms/control';
import { activityWords } from '../../src/rooms/controls';
import { type ILinkFields, linkWish, linkWords } from '../../src/rooms/links';
import { givableRoles, restrictable } from '../../src/people/roles';
import { invite, room } from '../support/models';

describe('rights', () => {
  it('are switched one by one', () => {
    const off = switched({}, 'candidate', 'run', false);
    expect(off).toEqual({ candidate: ['run'] });
    expect(switched(off, 'candidate', 'edit', false)).toEqual({ candidate: ['run', 'edit'] });
    expect(switched(off, 'candidate', 'run', false)).toEqual({ candidate: ['run'] });
    expect(switched(off, 'candidate', 'run', true)).toEqual({ candidate: [] });
  });

  it('to edit are frozen for everybody but hosts, and the others stay as they were', () => {
    const before = { candidate: ['run' as const] };
    const ice = frozen(before, true);
    expect(isFrozen(before)).toBe(false);
    expect(isFrozen(ice)).toBe(true);
    expect(ice.candidate).toEqual(['run', 'edit']);
    expect(ice.host).toBeUndefined();
    expect(frozen(ice, false).candidate).toEqual(['run']);
  });

  it('are only offered where the role has them', () => {
    expect(restrictable('observer').map(([name]) => name)).toEqual(['chat']);
    expect(givableRoles('host')).toContain('interviewer');
    expect(givableRoles('interviewer')).not.toContain('interviewer');
    expect(givableRoles('candidate')).toEqual([]);
  });
});

describe('links', () => {
  const fields: ILinkFields = { role: 'member', label: ' A ', password: '', hours: '', uses: '', lobby: 'room' };

  it('are wished for with what was filled in', () => {
    expect(linkWish(fields)).toEqual({ role: 'member', label: 'A' });
    expect(linkWish({ ...fields, password: 'p', hours: '2', uses: '3', lobby: 'no' })).toEqual({
      role: 'member',
      label: 'A',
      password: 'p',
      expires_in_hours: 2,
      max_uses: 3,
      lobby: false
    });
  });

  it('say what they are', () => {
    expect(linkWords(invite({ uses: 3, max_uses: 10, has_password: true, lobby: true }))).toBe(
      '3 of 10 joined · with a password · through the lobby'
    );
    expect(linkWords(invite({ revoked: true, url: null }))).toBe('revoked · 0 joined');
    expect(linkWords(invite({ url: null }))).toBe('over · 0 joined');
  });
});

describe('the host’s command', () => {
  function control(status: number, body: unknown): { control: RoomControl; asked: string[] } {
    const asked: string[] = [];
    const api = new Api((path, init) => {
      asked.push(`${init.method} ${path} ${String(init.body ?? '')}`);
      return Promise.resolve(new Response(status === 204 ? null : JSON.stringify(body), { status }));
    });
    return { control: new RoomControl(api, 'abc', 'http://host/codepad/', 'secret'), asked };
  }

  it('goes to the room', async () => {
    const { control: host, asked } = control(204, null);
    expect(await host.remove('p', true)).toBe(true);
    expect(await host.admit('p')).toBe(true);
    expect(await host.revoke('i', true)).toBe(true);
    expect(asked).toEqual([
      'DELETE api/rooms/abc/participants/p?ban=true ',
      'POST api/rooms/abc/participants/p/admit {}',
      'DELETE api/rooms/abc/invites/i?remove_people=true '
    ]);
  });

  it('says in words what did not work, and whether it did', async () => {
    const { control: host } = control(403, { code: 'owner_only', message: 'Only the owner can.' });
    const told: string[] = [];
    host.failed.connect((_, words) => told.push(words));
    expect(await host.transfer('p')).toBe(false);
    expect(told).toEqual(['Only the owner can.']);
  });

  it('knows the addresses of downloads, and brings the token only where it has one', () => {
    const { control: host } = control(204, null);
    expect(host.download('export')).toBe('http://host/codepad/api/rooms/abc/export?token=secret');
    expect(host.qrCode(invite())).toContain('origin=http%3A%2F%2Fhost');
    expect(host.address(invite())).toBe('http://host/codepad/join/c');
  });

  it('gives more time from the end, not from now', () => {
    const end = room('a', { expires_at: '2026-01-01T01:00:00Z' });
    const now = Date.parse('2026-01-01T00:30:00Z');
    expect(hoursUntil(end, 0.5, now)).toBe(1);
    expect(hoursUntil(end, 0.5, now + 7_200_000)).toBe(0.5);
  });
});

it('writes an entry of the log in one line', () => {
  const entry = { id: 1, at: '', kind: 'role_changed', actor: 'Host', subject: 'Ada', detail: { role: 'observer' } };
  expect(activityWords(entry)).toBe('Role changed · Host → Ada · role: observer');
});
