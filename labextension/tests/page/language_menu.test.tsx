import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { LanguageMenu } from '../../src/page/language_menu';
import type { ILanguage, IRoom } from '../../src/types';
import { violationsOf } from '../support/axe';
import { candidateRoom, fakePage, type IFakePage } from '../support/page';

const language = (id: string, name: string, change: Partial<ILanguage> = {}): ILanguage => ({
  id,
  name,
  file_name: `main.${id}`,
  editor_mode: id,
  available: true,
  notebook: id === 'python',
  starter_text: `starter of ${id}`,
  comment: '//',
  indent: 4,
  missing: null,
  ...change
});

const LANGUAGES = [
  language('python', 'Python', { comment: '#' }),
  language('cpp', 'C++'),
  language('csharp', 'C#', { available: false, missing: 'install mono-mcs' }),
  language('rust', 'Rust', { available: false })
];

let page: IFakePage;
let root: Root;
let box: HTMLElement;
let requests: [method: string, path: string, body: unknown][];

beforeEach(async () => {
  HTMLDialogElement.prototype.showModal = function (): void {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (): void {
    this.open = false;
  };
  Element.prototype.scrollIntoView = () => undefined;
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
  await open(candidateRoom(), LANGUAGES);
});

async function open(room: IRoom, languages: ILanguage[]): Promise<void> {
  requests = [];
  page = fakePage(room);
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => setTimeout(draw, 0));
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    requests.push([String(init.method), path, init.body ? JSON.parse(init.body as string) : null]);
    return Promise.resolve(new Response(JSON.stringify({ languages })));
  });
  await page.model.languages.load();
  await draw();
}

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  page.close();
});

const draw = (): Promise<void> => act(async () => root.render(<LanguageMenu model={page.model} />));
const find = (testid: string): HTMLElement | null => document.querySelector(`[data-testid="${testid}"]`);
const click = (testid: string): Promise<void> => act(async () => find(testid)?.click());
const options = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[role="option"]')];
const posts = (): unknown[] => requests.filter(([method]) => method === 'POST').map(([, path, body]) => [path, body]);

async function press(...keys: string[]): Promise<void> {
  for (const key of keys) {
    await act(async () => {
      document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    });
  }
}

const active = (): string | null | undefined => document.getElementById(document.activeElement?.getAttribute('aria-activedescendant') ?? '')?.textContent;

describe('the menu of languages', () => {
  it('shows which is chosen, and why some cannot be', async () => {
    await click('language-menu');
    expect(options().map(one => one.textContent)).toEqual(['Python', 'C++', 'C#install mono-mcs', 'Rustnot installed on this server']);
    expect(options().map(one => one.getAttribute('aria-selected'))).toEqual(['true', 'false', 'false', 'false']);
    expect(options().map(one => one.getAttribute('aria-disabled'))).toEqual(['false', 'false', 'true', 'true']);
    await click('language-csharp');
    expect(posts()).toEqual([]);
  });

  it('is worked by keys', async () => {
    await click('language-menu');
    expect(document.activeElement?.getAttribute('role')).toBe('listbox');
    expect(active()).toBe('Python');
    await press('ArrowDown', 'ArrowDown', 'ArrowUp');
    expect(active()).toBe('C++');
    await press('End');
    expect(active()).toContain('Rust');
    await press('c', '#');
    expect(active()).toContain('C#');
    await press('Escape');
    expect(options()).toEqual([]);
    expect(document.activeElement).toBe(find('language-menu'));
  });

  it('breaks no rule of accessibility', async () => {
    await click('language-menu');
    expect(await violationsOf(box)).toEqual([]);
  });
});

describe('another language', () => {
  it('comes with its starter where nothing has been written', async () => {
    page.model.pad.doc.getText('source').insert(0, 'starter of python\n');
    await click('language-menu');
    await press('ArrowDown', 'Enter');
    expect(find('language-dialog')).toBeNull();
    expect(posts()).toEqual([['/codepad/api/rooms/abcdefghijkl/language', { language: 'cpp', starter: true }]]);
  });

  it.each([
    ['language-keep', false],
    ['language-starter', true]
  ])('asks what becomes of a text: %s', async (choice, starter) => {
    page.model.pad.doc.getText('source').insert(0, 'int main() {}');
    await click('language-menu');
    await click('language-cpp');
    expect(posts()).toEqual([]);
    expect(find('language-dialog')?.getAttribute('aria-label')).toBe('Change from Python to C++');
    await click(choice);
    expect(posts()).toEqual([['/codepad/api/rooms/abcdefghijkl/language', { language: 'cpp', starter }]]);
    expect(find('language-dialog')).toBeNull();
  });

  it('is told to everybody, and the editor follows', async () => {
    expect(page.model.languages.editor('python').comment).toBe('#');
    page.pad.say({ type: 'room', room: candidateRoom({ language: 'cpp' }) });
    expect(page.model.toast).toBe('The language of the room is C++ now.');
    expect(page.model.languages.editor(page.model.room.language)).toEqual({ mode: 'cpp', comment: '//', indent: 4 });
  });
});

describe('the language of a notebook', () => {
  const notebook = async (languages: ILanguage[]): Promise<void> => {
    page.close();
    await open(candidateRoom({ pad_type: 'notebook' }), languages);
  };

  it('is only named where there is one', async () => {
    await notebook([language('python', 'Python'), language('cpp', 'C++')]);
    expect(find('language-menu')).toBeNull();
  });

  it('is chosen among those that have notebooks, and asks before variables are forgotten', async () => {
    await notebook([language('python', 'Python'), language('cpp', 'C++'), language('kernel:ir', 'R', { notebook: true })]);
    await click('language-menu');
    expect(options().map(one => one.textContent)).toEqual(['Python', 'R']);
    page.model.pad.doc.getArray('cells').push([new Y.Map([['source', new Y.Text('x = 1')]])]);
    await click('language-kernel:ir');
    expect(find('language-starter')).toBeNull();
    expect(find('language-dialog')?.textContent).toContain('all variables are forgotten');
    await click('language-keep');
    expect(posts()).toEqual([['/codepad/api/rooms/abcdefghijkl/language', { language: 'kernel:ir', starter: false }]]);
  });
});

it('who may not edit sees the language', async () => {
  page.pad.say({ type: 'room', room: candidateRoom({ permissions: ['view'] }) });
  await draw();
  expect(find('language-menu')).toBeNull();
  expect(find('language')?.textContent).toBe('Python');
});
