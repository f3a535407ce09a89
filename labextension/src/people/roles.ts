/** Roles in words. */
import type { IRoom, Permission, Role } from '../types';

export const ROLES: Role[] = ['host', 'interviewer', 'member', 'candidate', 'observer'];

export const ROLE_WORDS: Record<Role, string> = {
  host: 'in command of the room',
  interviewer: 'edits, runs, invites, grades',
  member: 'edits and runs',
  candidate: 'edits and runs, as far as you let them',
  observer: 'only watches'
};

/** What can be switched off for a role, in the order in which it is shown. */
export const RESTRICTABLE: [Permission, string][] = [
  ['edit', 'edit'],
  ['run', 'run code'],
  ['ask', 'use the AI'],
  ['chat', 'chat'],
  ['submit', 'submit']
];

/** The permissions that a role has at all, of those that can be switched off. */
export function restrictable(role: Role): [Permission, string][] {
  return role === 'observer' ? RESTRICTABLE.filter(([name]) => name === 'chat') : RESTRICTABLE;
}

/** The colours that people can have, as the server knows them. */
export const COLORS: [string, string][] = [
  ['#1565c0', 'blue'],
  ['#2e7d32', 'green'],
  ['#c62828', 'red'],
  ['#6a1b9a', 'violet'],
  ['#ad5200', 'orange'],
  ['#00796b', 'teal'],
  ['#ad1457', 'pink'],
  ['#4e5d0a', 'olive'],
  ['#37474f', 'slate'],
  ['#5d4037', 'brown']
];

const PAUSED: Partial<Record<Permission, string>> = { edit: 'editing', run: 'running code' };

/** That the host has switched something off for one's role, in words; null when that is not so. */
export function pausedWords(room: IRoom, permission: Permission): string | null {
  const role = room.me?.role;
  const off = role && !room.permissions.includes(permission) && room.restrictions[role]?.includes(permission);
  return off ? `The host has paused ${PAUSED[permission] ?? permission} for ${role}s.` : null;
}

export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The roles that somebody may hand out by a link. */
export function givableRoles(mine: Role): Role[] {
  const below: Role[] = ['member', 'candidate', 'observer'];
  return mine === 'host' ? ['interviewer', ...below] : mine === 'interviewer' ? below : [];
}
