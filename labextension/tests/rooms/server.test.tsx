import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Api } from '../../src/api';
import { RoomsModel } from '../../src/rooms/model';
import { sandboxWords, ServerSection } from '../../src/rooms/server';
import type { ILanguage, ISandbox } from '../../src/types';

const SANDBOX: ISandbox = {
  available: true,
  name: 'bubblewrap',
  reason: null,
  running_allowed: true,
  promises: ['No network.'],
  gaps: ['Errors of the system’s kernel.'],
  weaker: []
};
const LANGUAGE: ILanguage = {
  id: 'python',
  name: 'Python',
  file_name: 'main.py',
  editor_mode: 'python',
  available: true,
  notebook: true,
  starter_text: '',
  version: '3.13.1',
  missing: null
};

let root: Root;
let box: HTMLElement;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  act(() => root.unmount());
  box.remove();
});

async function show(sandbox: ISandbox | null, languages: Response): Promise<void> {
  const api = new Api(async path => {
    const answers: Record<string, Response> = {
      'api/rooms': new Response('{"rooms": []}'),
      'api/health': new Response(JSON.stringify({ status: 'ok', version: '1', sandbox })),
      'api/languages': languages
    };
    return answers[path] as Response;
  });
  const model = new RoomsModel(api, 'http://host/codepad/');
  await model.refresh();
  act(() => root.render(<ServerSection model={model} />));
}

async function open(): Promise<void> {
  const details = box.querySelector('details') as HTMLDetailsElement;
  await act(async () => {
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    await new Promise(resolve => setTimeout(resolve));
  });
}

it('says nothing before it knows', async () => {
  await show(null, new Response('{}'));
  expect(box.textContent).toBe('');
});

it('says what the sandbox promises and which languages there are', async () => {
  const rust = { ...LANGUAGE, id: 'rust', name: 'Rust', available: false, version: null, missing: 'apt install rustc' };
  await show(SANDBOX, new Response(JSON.stringify({ languages: [LANGUAGE, rust] })));
  expect(box.textContent).toBe('This serverCode runs in a sandbox: bubblewrap');
  await open();
  expect(box.textContent).toContain('It promisesNo network.');
  expect(box.textContent).toContain('It cannot promiseErrors of the system’s kernel.');
  expect(box.textContent).not.toContain('Better ones');
  expect(box.querySelector('[data-testid=languages-here]')?.textContent).toBe('Python 3.13.1');
  expect(box.querySelector('[data-testid=languages-missing]')?.textContent).toBe('1 more can be installedRustapt install rustc');
});

it('says why it is not the best, and what went wrong', async () => {
  const weaker = [{ name: 'bubblewrap', reason: 'user namespaces are off' }];
  await show({ ...SANDBOX, name: 'Landlock', weaker }, new Response('{"message": "Sign in.", "code": "x"}', { status: 401 }));
  await open();
  expect(box.textContent).toContain('Better ones do not work herebubblewrap: user namespaces are off');
  expect(box.querySelector('[role=alert]')?.textContent).toBe('Sign in.');
});

it.each([
  [{ available: false, running_allowed: false, reason: 'Install bubblewrap.' }, 'Code is not run here', 'off'],
  [{ available: false, running_allowed: true, reason: 'Install bubblewrap.' }, 'Code runs without a sandbox', 'bad']
])('says when there is none', async (change, words, state) => {
  const sandbox = { ...SANDBOX, ...change };
  expect(sandboxWords(sandbox)).toBe(words);
  await show(sandbox, new Response('{"languages": []}'));
  expect(box.querySelector('details')?.dataset['state']).toBe(state);
  await open();
  expect(box.querySelector('.cp-warning')?.textContent).toBe('Install bubblewrap.');
});
