/** People and rooms as the server describes them. */
import type { IInvite, IParticipant, IRoom, IWaiting } from '../../src/types';

export function participant(name: string, change: Partial<IParticipant> = {}): IParticipant {
  return {
    id: name.toLowerCase(),
    name,
    color: '#aa0000',
    role: 'member',
    guest: true,
    owner: false,
    online: true,
    online_since: '2026-01-01T00:00:00Z',
    idle: false,
    document: 'pad',
    hand_raised_at: null,
    joined_at: '2026-01-01T00:00:00Z',
    you: false,
    username: null,
    invite_id: null,
    ...change
  };
}

export function waiting(name: string, change: Partial<IWaiting> = {}): IWaiting {
  const { id, color, role, guest, joined_at } = participant(name);
  return { id, name, color, role, guest, online: true, joined_at, ...change };
}

export function room(id: string, change: Partial<IRoom> = {}): IRoom {
  return {
    id,
    title: id,
    language: 'python',
    pad_type: 'file',
    pad_path: 'p',
    main_file: null,
    state: 'open',
    created_at: '2026-01-01T00:00:00Z',
    expires_at: '2026-01-02T00:00:00Z',
    opens_at: null,
    now: '2026-01-01T00:00:00Z',
    locked: false,
    lobby: false,
    restrictions: {},
    owner: true,
    online: 0,
    waiting: 0,
    me: null,
    permissions: ['view', 'edit', 'run', 'invite', 'manage'],
    ...change
  };
}

export function invite(change: Partial<IInvite> = {}): IInvite {
  return {
    id: 'i',
    role: 'candidate',
    label: '',
    created_at: '2026-01-01T00:00:00Z',
    expires_at: null,
    max_uses: null,
    uses: 0,
    revoked: false,
    main: false,
    has_password: false,
    lobby: null,
    code: 'c',
    url: '/codepad/join/c',
    ...change
  };
}
