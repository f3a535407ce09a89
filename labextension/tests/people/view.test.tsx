import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { Api } from '../../src/api';
import { PeoplePanel, since } from '../../src/people/view';
import { RoomControl } from '../../src/rooms/control';
import type { IParticipant, IWaiting, Permission } from '../../src/types';
import { participant, room, waiting } from '../support/models';

const NOW = '2026-01-01T00:05:30Z';

function panel(people: IParticipant[], permissions: Permission[], knocking: IWaiting[] = []): HTMLElement {
  const shown = room('a', { owner: false, permissions, now: NOW });
  const control = new RoomControl(new Api(() => Promise.reject(new Error('nothing is asked'))), 'a', '/codepad/');
  control.learnClock(shown);
  const box = document.createElement('div');
  box.innerHTML = renderToStaticMarkup(<PeoplePanel people={people} waiting={knocking} room={shown} control={control} />);
  return box;
}

const all = (box: HTMLElement, testid: string): Element[] => [...box.querySelectorAll(`[data-testid="${testid}"]`)];

describe('the people panel', () => {
  it('says who is here, since when by the server’s clock, and who is away', () => {
    const box = panel([participant('Ada'), participant('Ben', { online: false }), participant('Cem', { idle: true, guest: false })], ['view']);
    const [ada, cem, ben] = all(box, 'person').map(row => row.textContent ?? '');
    expect(ada).toContain('here for 5 min');
    expect(ada).toContain('guest');
    expect(cem).toContain('idle');
    expect(cem).not.toContain('guest');
    expect(ben).toContain('away');
  });

  it('has raised hands first, with words', () => {
    const box = panel([participant('Ada'), participant('Ben', { hand_raised_at: NOW })], ['view']);
    expect(all(box, 'person')[0]?.textContent).toContain('Ben');
    expect(all(box, 'hand')[0]?.getAttribute('aria-label')).toBe('Ben has raised a hand');
  });

  it('gives the menu to those who manage, and for others than oneself and the owner', () => {
    const people = [participant('Me', { you: true }), participant('Owner', { owner: true }), participant('Ada')];
    expect(all(panel(people, ['view', 'invite']), 'person-menu')).toHaveLength(0);
    const menus = all(panel(people, ['view', 'manage']), 'person-menu');
    expect(menus.map(one => one.getAttribute('aria-label'))).toEqual(['Change Ada']);
  });

  it('shows the lobby to those who may let people in, and to nobody else', () => {
    const knocking = [waiting('Ada'), waiting('Ben', { online: false })];
    expect(all(panel([], ['view'], knocking), 'lobby')).toHaveLength(0);
    const box = panel([], ['view', 'invite'], knocking);
    expect(all(box, 'admit').map(one => one.getAttribute('aria-label'))).toEqual(['Admit Ada', 'Admit Ben']);
    expect(all(box, 'waiting')[1]?.textContent).toContain('closed the page');
    expect(all(box, 'admit-all')).toHaveLength(1);
  });

  it('lets one raise a hand and change the own name, while one is here', () => {
    expect(all(panel([participant('Me', { you: true })], ['view']), 'raise-hand')).toHaveLength(1);
    expect(all(panel([participant('Me', { you: true })], ['view']), 'rename-me')).toHaveLength(1);
    expect(all(panel([participant('Me', { you: true, online: false })], ['view']), 'raise-hand')).toHaveLength(0);
  });
});

it('says since when', () => {
  const now = Date.parse(NOW);
  expect(since('2026-01-01T00:05:00Z', now)).toBe('just now');
  expect(since('2025-12-31T22:00:00Z', now)).toBe('2 h 5 min');
  expect(since(null, now)).toBe('just now');
});
