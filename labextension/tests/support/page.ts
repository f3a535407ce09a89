/** A room page's model on two fake documents, and what it asked of the REST API. */
import { vi } from 'vitest';
import { PageModel } from '../../src/page/model';
import type { IPageConfig, IRoom } from '../../src/types';
import { participant, room } from './models';
import { FakeServer } from './server';

export interface IFakePage {
  model: PageModel;
  pad: FakeServer;
  runs: FakeServer;
  close: () => void;
}

/** A room as a candidate sees it, by default with all that their role may do. */
export function candidateRoom(change: Partial<IRoom> = {}): IRoom {
  const me = participant('Cem', { role: 'candidate', you: true });
  return room('abcdefghijkl', { owner: false, me, permissions: ['view', 'edit', 'run'], ...change });
}

export function fakePage(shown: IRoom = candidateRoom()): IFakePage {
  const query = new EventTarget(); // jsdom has no media queries
  vi.stubGlobal('matchMedia', () => Object.assign(query, { matches: false }));
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ participants: [], waiting: [], languages: [], files: [] }))));
  const pad = new FakeServer();
  const runs = new FakeServer();
  const config: IPageConfig = {
    baseUrl: '/codepad/',
    roomId: shown.id,
    xsrfToken: 'x',
    cspNonce: '',
    room: shown,
    limits: { message_bytes: 1000, document_bytes: 1000 },
    sandbox: { reason: null, running_allowed: true },
    version: '1'
  };
  const providers = [pad.connect(), runs.connect()] as const;
  const model = new PageModel(config, ...providers);
  return {
    model,
    pad,
    runs,
    close: () => {
      providers.forEach(one => one.dispose());
      [pad, runs].forEach(one => one.awareness.destroy());
      vi.unstubAllGlobals();
    }
  };
}
