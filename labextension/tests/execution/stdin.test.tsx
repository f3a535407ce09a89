import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { renderToStaticMarkup } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { Api } from '../../src/api';
import { RunsModel } from '../../src/execution/model';
import { StdinBox, StdinButton } from '../../src/execution/stdin';
import { type IRunRights, RunsView } from '../../src/execution/view';
import type { Provider } from '../../src/sync/provider';
import { violationsOf } from '../support/axe';
import { FakeServer } from '../support/server';

let server: FakeServer;
let provider: Provider;
let model: RunsModel;
let root: Root;
let box: HTMLElement;
let sent: unknown[];
const RIGHTS: IRunRights = { mayRun: true, unavailable: null, me: 'ada' };

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => {
    draw();
    return 0;
  });
  server = new FakeServer();
  provider = server.connect();
  sent = [];
  const api = new Api(async (path, init) => {
    sent.push([path, init.body ? JSON.parse(init.body as string) : null]);
    return new Response('{}', { status: 202 });
  });
  model = new RunsModel(provider, api, 'abcdefghijkl', '/codepad/');
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  act(() => root.unmount());
  model.dispose();
  provider.dispose();
  server.awareness.destroy();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

function write(change: (run: Y.Map<unknown>) => void): void {
  const before = Y.encodeStateVector(server.doc);
  const runs = server.doc.getArray<Y.Map<unknown>>('runs');
  server.doc.transact(() => {
    if (runs.length === 0) {
      const run = new Y.Map<unknown>();
      const fields = { id: 'run1', participant_id: 'ada', participant_name: 'Ada', status: 'running' };
      Object.entries(fields).forEach(([key, value]) => run.set(key, value));
      run.set('outputs', new Y.Array());
      runs.push([run]);
    }
    change(runs.get(0));
  });
  act(() => Y.applyUpdate(provider.doc, Y.encodeStateAsUpdate(server.doc, before), provider));
}

const field = (): HTMLInputElement | null => box.querySelector('[data-testid="stdin-field"]');
const ask = (prompt = 'Name? ', password = false): void => write(run => run.set('input', { prompt, password }));
const show = (rights = RIGHTS): void => act(() => root.render(<RunsView model={model} rights={rights} />));

function type(text: string): void {
  const input = field() as HTMLInputElement;
  act(() => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, text);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

describe('a program that asks', () => {
  it('has a field with its prompt, and gets what is sent by Enter', async () => {
    show();
    await act(() => model.run());
    ask();
    expect(document.querySelector(`label[for="${field()?.id}"]`)?.textContent).toBe('Name?');
    expect(document.activeElement).toBe(field());
    type('Ada');
    await act(async () => field()?.form?.requestSubmit());
    expect(sent[1]).toEqual(['api/rooms/abcdefghijkl/runs/run1/input', { text: 'Ada' }]);
    write(run => {
      run.set('input', null);
      run.set('answered_by', 'Ada');
    });
    expect(field()).toBeNull();
    expect(box.querySelector('[data-testid="answered-by"]')?.textContent).toBe('answered by Ada');
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Runs');
    ask('Age? ');
    expect(document.activeElement).toBe(field());
  });

  it('does not take the keyboard from others, nor from who types elsewhere', async () => {
    show({ ...RIGHTS, me: 'bob' });
    ask();
    expect(document.activeElement).toBe(document.body);
    write(run => run.set('input', null));
    show();
    await act(() => model.run());
    document.dispatchEvent(new Event('beforeinput'));
    ask();
    expect(document.activeElement).toBe(document.body);
  });

  it('hides a password', () => {
    show();
    ask('Password: ', true);
    expect(field()?.type).toBe('password');
    expect(field()?.autocomplete).toBe('new-password'); // none that the browser knows is filled in
    const words = document.getElementById(field()?.getAttribute('aria-describedby') ?? '');
    expect(words?.textContent).toContain('Nobody sees what you type, but the program gets it');
  });

  it('tells those who may not answer why', () => {
    show({ ...RIGHTS, mayRun: false });
    ask('');
    expect(field()?.disabled).toBe(true);
    const why = document.getElementById(field()?.getAttribute('aria-describedby') ?? '');
    expect(why?.textContent).toBe('Only those who may run code can answer.');
    expect(box.textContent).toContain('The program waits for input:');
  });

  it('is heard by those who do not see it', () => {
    show();
    ask();
    expect([...box.querySelectorAll('[aria-live="polite"]')].map(one => one.textContent)).toContain(
      'The program that Ada runs asks for input. Name? '
    );
  });

  it('breaks no rule of accessibility', async () => {
    show();
    ask();
    expect(await violationsOf(box)).toEqual([]);
  });
});

describe('output that was too long', () => {
  it('says so and can be had', () => {
    show();
    write(run => run.set('truncated', true));
    const link = box.querySelector<HTMLAnchorElement>('[data-testid="truncated"] a');
    expect(link?.getAttribute('href')).toBe('/codepad/api/rooms/abcdefghijkl/runs/run1/output');
  });
});

it('a limit’s words are a message', () => {
  show();
  write(run => {
    run.set('status', 'interrupted');
    run.set('message', 'stopped: used more than 512 MB');
  });
  expect(box.querySelector('[data-testid="run-message"]')?.textContent).toBe('stopped: used more than 512 MB');
});

describe('input given before', () => {
  it('says what will happen with it', () => {
    const words = (text: string): string => renderToStaticMarkup(<StdinBox text={text} onChange={() => undefined} />);
    expect(words('')).toContain('there is a field in the output');
    expect(words('1')).toContain('reads this line');
    expect(words('1\n2\n')).toContain('reads these 2 lines');
  });

  it('is counted on its button', () => {
    const button = renderToStaticMarkup(<StdinButton open={false} text={'a\nb'} onToggle={() => undefined} />);
    expect(button).toContain('aria-label="Input for the program: 2 lines"');
    expect(button).toContain('data-count="2"');
  });
});

it('the end of a run is read aloud, each time, and not of what was over before', () => {
  const news = (): Element | null => box.querySelector('[data-testid="run-news"]');
  write(run => run.set('status', 'ok'));
  show();
  expect(news()?.textContent).toBe('');
  const end = (id: string, status: string): Element | null | undefined => {
    write(run => {
      const other = new Y.Map<unknown>();
      const fields = { id, participant_name: 'Bob', status, message: status === 'ok' ? '' : 'out of memory' };
      Object.entries(fields).forEach(([key, value]) => other.set(key, value));
      (run.parent as Y.Array<unknown>).push([other]);
    });
    return news()?.firstElementChild;
  };
  const first = end('run2', 'ok');
  expect(first?.textContent).toBe('Run by Bob: done.');
  const second = end('run3', 'ok');
  expect(second?.textContent).toBe('Run by Bob: done.');
  expect(second).not.toBe(first);
  expect(end('run4', 'error')?.textContent).toBe('Run by Bob: error. out of memory');
});

it('says of the kernel that it is off where no code is run', () => {
  const line = (unavailable: string | null): string => {
    act(() => root.render(<RunsView model={model} rights={{ ...RIGHTS, unavailable }} />));
    return box.querySelector('[data-testid=kernel]')?.textContent ?? '';
  };
  expect(line(null)).toBe('Kernel: Not started');
  expect(line('Running code is switched off on this server.')).toBe('Kernel: Off');
});
