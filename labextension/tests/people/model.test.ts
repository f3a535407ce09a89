import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/api';
import { PeopleModel, typingWords } from '../../src/people/model';
import { initials } from '../../src/people/view';
import type { Provider } from '../../src/sync/provider';
import type { IParticipant } from '../../src/types';
import { participant, waiting } from '../support/models';
import { FakeServer } from '../support/server';

const person = (name: string, online = true): IParticipant => participant(name, { online });

let server: FakeServer;
let provider: Provider;
let model: PeopleModel;

beforeEach(() => {
  server = new FakeServer();
  provider = server.provider();
  const answer = { participants: [person('Ada'), person('Ben', false)], waiting: [] };
  const api = new Api(async () => new Response(JSON.stringify(answer)));
  model = new PeopleModel(provider, api, 'abcdefghijkl');
});

afterEach(() => {
  model.dispose();
  provider.dispose();
  server.awareness.destroy();
});

function names(people: IParticipant[]): string[] {
  return people.map(one => one.name);
}

describe('people', () => {
  it('are asked for when the pad is here', async () => {
    server.accept();
    await vi.waitFor(() => expect(names(model.here)).toEqual(['Ada']));
    expect(names(model.away)).toEqual(['Ben']);
  });

  it('come and go with the server’s news', () => {
    server.accept();
    server.say({ type: 'participants', participants: [person('Ada'), person('Ben'), person('Cem')] });
    expect(names(model.here)).toEqual(['Ada', 'Ben', 'Cem']);
  });

  it('who wait are told of once each, when they are there', () => {
    const knocked: string[] = [];
    model.knocked.connect((_, one) => knocked.push(one.name));
    server.accept();
    server.say({ type: 'lobby', waiting: [waiting('Cem'), waiting('Dee', { online: false })] });
    server.say({ type: 'lobby', waiting: [waiting('Cem'), waiting('Dee')] });
    server.say({ type: 'lobby', waiting: [waiting('Dee')] });
    expect(knocked).toEqual(['Cem', 'Dee']);
    expect(model.waiting.map(one => one.name)).toEqual(['Dee']);
  });

  it('are seen typing, but not oneself', () => {
    server.accept();
    provider.awareness.setLocalStateField('typing', true);
    const ada = new awarenessProtocol.Awareness(new Y.Doc());
    ada.setLocalState({ user: { name: 'Ada', display_name: 'Ada' }, typing: true });
    const update = awarenessProtocol.encodeAwarenessUpdate(ada, [ada.clientID]);
    awarenessProtocol.applyAwarenessUpdate(provider.awareness, update, provider);
    ada.destroy();
    expect(model.typing).toEqual(['Ada']);
  });
});

it('says who types', () => {
  expect(typingWords([])).toBe('');
  expect(typingWords(['Ada'])).toBe('Ada is typing…');
  expect(typingWords(['Ada', 'Ben'])).toBe('Ada and Ben are typing…');
  expect(typingWords(['Ada', 'Ben', 'Cem'])).toBe('3 people are typing…');
});

it('makes initials of any name', () => {
  expect(initials('Ada Lovelace')).toBe('AL');
  expect(initials('ada')).toBe('A');
  expect(initials('Ada Lovelace (2)')).toBe('AL');
  expect(initials('🙂 x')).toBe('🙂X');
  expect(initials('')).toBe('');
});
