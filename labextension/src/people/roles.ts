/** Roles in words. */
import type { Permission, Role } from '../types';

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

export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The roles that somebody may hand out by a link. */
export function givableRoles(mine: Role): Role[] {
  const below: Role[] = ['member', 'candidate', 'observer'];
  return mine === 'host' ? ['interviewer', ...below] : mine === 'interviewer' ? below : [];
}
