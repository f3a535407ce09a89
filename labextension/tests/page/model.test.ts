import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { participant, waiting } from '../support/models';
import { candidateRoom, fakePage, type IFakePage } from '../support/page';

let page: IFakePage;

beforeEach(() => {
  page = fakePage();
});

afterEach(() => page.close());

describe('rights', () => {
  it('follow the news of the room at once', () => {
    const { model, pad } = page;
    const changed = vi.fn();
    model.changed.connect(changed);
    expect(model.may('edit')).toBe(true);
    expect(model.watchingWords).toBeNull();
    pad.say({ type: 'room', room: candidateRoom({ permissions: ['view', 'run'], restrictions: { candidate: ['edit'] } }) });
    expect(changed).toHaveBeenCalled();
    expect(model.may('edit')).toBe(false);
    expect(model.watchingWords).toContain('The host has paused editing for candidates.');
    expect(model.runPausedWords).toBeNull();
    pad.say({ type: 'room', room: candidateRoom() });
    expect(model.may('edit')).toBe(true);
    expect(model.watchingWords).toBeNull();
  });

  it('to run can be paused alone', () => {
    page.pad.say({ type: 'room', room: candidateRoom({ permissions: ['view', 'edit'], restrictions: { candidate: ['run'] } }) });
    expect(page.model.watchingWords).toBeNull();
    expect(page.model.runPausedWords).toBe('The host has paused running code for candidates.');
  });

  it('of an observer are theirs by role, whatever is paused for others', () => {
    const me = participant('Olu', { role: 'observer', you: true });
    page.pad.say({ type: 'room', room: candidateRoom({ me, permissions: ['view'], restrictions: { candidate: ['edit', 'run'] } }) });
    expect(page.model.watchingWords).toBe('You are watching. You cannot change or run the code.');
    expect(page.model.runPausedWords).toBeNull();
  });
});

it('keeps what was typed and not taken, to be copied', () => {
  const { model, pad } = page;
  model.pad.doc.getText('source').insert(0, 'typed too late');
  pad.say({ type: 'refused' });
  expect(model.refusedText).toBe('typed too late');
});

it('tells who knocks, and how many wait', () => {
  const { model, pad } = page;
  pad.say({ type: 'lobby', waiting: [waiting('Ada')] });
  expect(model.toast).toBe('Ada wants to join.');
  pad.say({ type: 'lobby', waiting: [waiting('Ada'), waiting('Ben')] });
  expect(model.toast).toBe('Ben wants to join. 2 people are in the lobby.');
  expect(model.people.waiting).toHaveLength(2);
});

it('goes to the lobby when it is put there', () => {
  const reload = vi.fn();
  vi.stubGlobal('location', { href: 'http://host/', reload });
  page.pad.socket.end(4425, 'Wait to be admitted.');
  expect(reload).toHaveBeenCalledTimes(1);
  expect(page.model.pad.status).toBe('ended');
});

it('tells the time by the server’s clock', () => {
  page.pad.say({ type: 'room', room: candidateRoom({ now: '2031-01-01T00:00:00Z' }) });
  expect(new Date(page.model.control.now()).getUTCFullYear()).toBe(2031);
});

it('tells that somebody is there, by pointer, key or scrolling', () => {
  const told = (): unknown => page.model.pad.awareness.getLocalState()?.['active'];
  expect(told()).toBeUndefined();
  window.dispatchEvent(new Event('wheel'));
  expect(told()).toBe(Math.floor(Date.now() / 60_000));
});
