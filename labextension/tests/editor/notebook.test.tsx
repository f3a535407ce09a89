import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { Api } from '../../src/api';
import { CellEdits, sourceOf } from '../../src/editor/cell_edits';
import { usual } from '../../src/editor/languages';
import NotebookView, { type INotebookProps } from '../../src/editor/notebook';
import { CellKeys } from '../../src/editor/notebook_keys';
import { RunsModel } from '../../src/execution/model';
import type { Provider } from '../../src/sync/provider';
import { violationsOf } from '../support/axe';
import { FakeServer } from '../support/server';

let pad: FakeServer;
let runServer: FakeServer;
let provider: Provider;
let runs: RunsModel;
let edits: CellEdits;
let root: Root;
let box: HTMLElement;
let ran: string[][];
let told: { words: string; act?: () => void }[];

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => setTimeout(draw, 0));
  Element.prototype.scrollIntoView = () => undefined;
  pad = new FakeServer();
  runServer = new FakeServer();
  provider = pad.connect();
  runs = new RunsModel(runServer.connect(), new Api(async () => new Response('{}')), 'abcdefghijkl');
  edits = new CellEdits(provider.doc);
  ['a = 1', 'b = 2', 'c = 3'].forEach((text, i) => {
    edits.insert(i);
    sourceOf(edits.cells.get(i)).insert(0, text);
  });
  ran = [];
  told = [];
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  act(() => root.unmount());
  runs.dispose();
  [provider, runs.provider].forEach(one => one.dispose());
  [pad, runServer].forEach(one => one.awareness.destroy());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function show(change: Partial<INotebookProps> = {}): Promise<void> {
  const props: INotebookProps = {
    provider,
    runs,
    rights: { mayRun: true, unavailable: null, me: 'ada' },
    language: usual('python'),
    readOnly: false,
    cspNonce: '',
    limitBytes: 10_000,
    typing: null,
    onRunCells: ids => ran.push(ids),
    onTell: (words, action) => told.push({ words, act: action?.act }),
    onRefused: () => undefined,
    onReady: () => undefined,
    ...change
  };
  await act(async () => root.render(<NotebookView {...props} />));
}

const cells = (): HTMLElement[] => [...box.querySelectorAll<HTMLElement>('[data-testid="cell"]')];
const texts = (): string[] => edits.cells.map(cell => String(cell.get('source')));
const ids = (): string[] => edits.cells.map(cell => String(cell.get('id')));
const focused = (): number => cells().findIndex(cell => cell === document.activeElement);
const editing = (): number => cells().findIndex(cell => cell.querySelector('.cm-content') === document.activeElement);

async function press(...keys: (string | KeyboardEventInit)[]): Promise<void> {
  for (const key of keys) {
    const init = typeof key === 'string' ? { key } : key;
    await act(async () => {
      document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { ...init, bubbles: true, cancelable: true }));
    });
  }
}

async function click(testid: string, within: Element = box): Promise<void> {
  await act(async () => within.querySelector<HTMLElement>(`[data-testid="${testid}"]`)?.click());
}

const choose = (index: number): Promise<void> => act(async () => cells()[index]?.focus());

describe('a chosen cell', () => {
  beforeEach(() => show());

  it('is gone through with arrows, J and K, and edited with Enter and Escape', async () => {
    await choose(0);
    await press('ArrowDown', 'j', 'j');
    expect(focused()).toBe(2);
    await press('k', 'ArrowUp', 'ArrowUp');
    expect(focused()).toBe(0);
    await press('Enter');
    expect(editing()).toBe(0);
    await press('Escape');
    expect(focused()).toBe(0);
    await press('End');
    expect(focused()).toBe(2);
  });

  it('gets new cells above and below', async () => {
    await choose(1);
    await press('a');
    expect(texts()).toEqual(['a = 1', '', 'b = 2', 'c = 3']);
    expect(focused()).toBe(1);
    await press('b');
    expect(texts()).toEqual(['a = 1', '', '', 'b = 2', 'c = 3']);
    expect(focused()).toBe(2);
  });

  it('is deleted by two presses of D, and comes back', async () => {
    const before = ids();
    await choose(1);
    await press('d', 'x', 'd');
    expect(texts()).toHaveLength(3);
    await press('d');
    expect(texts()).toEqual(['a = 1', 'c = 3']);
    expect(focused()).toBe(1);
    expect(told[0]?.words).toBe('The cell was deleted.');
    await act(async () => told[0]?.act?.());
    expect(texts()).toEqual(['a = 1', 'b = 2', 'c = 3']);
    expect(ids()).toEqual(before);
    await press('d', 'd');
    await press('z');
    expect(texts()).toEqual(['a = 1', 'b = 2', 'c = 3']);
  });

  it('becomes text, raw and code', async () => {
    await choose(0);
    await press('m');
    expect(cells()[0]?.dataset['kind']).toBe('markdown');
    expect(focused()).toBe(0);
    await press('r');
    expect(cells()[0]?.dataset['kind']).toBe('raw');
    await press('y');
    expect(cells()[0]?.dataset['kind']).toBe('code');
    expect(texts()[0]).toBe('a = 1');
  });

  it('moves, and keeps its id and the keyboard', async () => {
    const [first] = ids();
    await choose(0);
    await press({ key: 'ArrowDown', ctrlKey: true, shiftKey: true });
    expect(texts()).toEqual(['b = 2', 'a = 1', 'c = 3']);
    expect(ids()[1]).toBe(first);
    expect(focused()).toBe(1);
    await click('move-up', cells()[1]);
    expect(texts()).toEqual(['a = 1', 'b = 2', 'c = 3']);
  });

  it('does not move or change while it runs', async () => {
    await act(async () => edits.cells.get(0).set('execution_state', 'running'));
    await choose(0);
    await press({ key: 'ArrowDown', ctrlKey: true, shiftKey: true }, 'm');
    expect(texts()).toEqual(['a = 1', 'b = 2', 'c = 3']);
    expect(told.map(one => one.words)).toEqual(Array(2).fill('This cell is running. Stop it, or wait until it is done, then move or change it.'));
  });
});

describe('a cell that is moved by somebody else', () => {
  it('keeps the caret of who edits it', async () => {
    await show();
    await choose(1);
    await press('Enter');
    expect(editing()).toBe(1);
    await act(async () => {
      edits.move(edits.cells.get(1), -1);
    });
    expect(editing()).toBe(0);
  });
});

describe('running', () => {
  beforeEach(() => show());

  it('goes on, stays, or adds a cell', async () => {
    const [first, second, third] = ids();
    await choose(0);
    await press({ key: 'Enter', shiftKey: true });
    expect(ran).toEqual([[first]]);
    expect(focused()).toBe(1);
    await press({ key: 'Enter', ctrlKey: true });
    expect(ran[1]).toEqual([second]);
    expect(focused()).toBe(1);
    await press({ key: 'Enter', altKey: true });
    expect(texts()).toEqual(['a = 1', 'b = 2', '', 'c = 3']);
    expect(editing()).toBe(2);
    await choose(3);
    await press({ key: 'Enter', shiftKey: true });
    expect(ran[3]).toEqual([third]);
    expect(texts()).toHaveLength(5);
    expect(editing()).toBe(4);
  });

  it('of all runs what is code', async () => {
    await act(async () => {
      edits.change(edits.cells.get(1), 'markdown');
    });
    await click('run-all');
    expect(ran).toEqual([[ids()[0], ids()[2]]]);
  });

  it('is seen by who comes late', async () => {
    await act(async () => edits.cells.get(0).set('execution_state', 'running'));
    expect(cells()[0]?.querySelector('[data-testid="prompt"]')?.textContent).toBe('[*]');
    expect(cells()[0]?.getAttribute('aria-label')).toBe('Cell 1 of 3: Code, running');
    await act(async () => {
      edits.cells.get(0).set('execution_state', 'idle');
      edits.cells.get(0).set('execution_count', 7);
    });
    expect(cells()[0]?.querySelector('[data-testid="prompt"]')?.textContent).toBe('[7]');
  });

  it('asks below the cell’s output', async () => {
    const run = new Y.Map<unknown>(Object.entries({ id: 'run1', cell_id: ids()[1], participant_name: 'Ada', status: 'running', input: { prompt: 'Age? ', password: false } }));
    await act(async () => {
      runServer.doc.getArray('runs').push([run]);
      Y.applyUpdate(runs.provider.doc, Y.encodeStateAsUpdate(runServer.doc), runs.provider);
      await new Promise(resolve => setTimeout(resolve, 5));
    });
    expect(cells()[1]?.querySelector('[data-testid="stdin"]')?.textContent).toContain('Age?');
    expect(cells()[1]?.querySelector('[data-testid="prompt"]')?.textContent).toBe('[*]');
  });
});

describe('text', () => {
  it('is drawn until it is edited, and again when it is run', async () => {
    await act(async () => {
      edits.change(edits.cells.get(0), 'markdown');
      sourceOf(edits.cells.get(0)).delete(0, 5);
      sourceOf(edits.cells.get(0)).insert(0, '# Title');
    });
    await show();
    await vi.waitFor(async () => {
      await act(async () => undefined); // what draws Markdown is loaded first
      expect(cells()[0]?.querySelector('h1')?.textContent ?? '').toContain('Title');
    });
    await act(async () => {
      cells()[0]?.querySelector('[data-testid="markdown"]')?.dispatchEvent(new MouseEvent('dblclick', { bubbles: true }));
    });
    expect(editing()).toBe(0);
    await press({ key: 'Enter', ctrlKey: true });
    expect(cells()[0]?.querySelector('.cm-content')).toBeNull();
    expect(focused()).toBe(0);
    expect(ran).toEqual([]);
  });

  it('is added to be written at once', async () => {
    await show();
    await choose(2);
    await click('add-text');
    expect(edits.cells.get(3).get('cell_type')).toBe('markdown');
    expect(editing()).toBe(3);
  });
});

describe('who only watches', () => {
  it('looks around and changes nothing', async () => {
    await show({ readOnly: true, rights: { mayRun: false, unavailable: null } });
    await choose(0);
    await press('j', 'a', 'b', 'd', 'd', 'm', 'Enter', { key: 'Enter', shiftKey: true });
    expect(texts()).toEqual(['a = 1', 'b = 2', 'c = 3']);
    expect(ran).toEqual([]);
    expect(box.querySelector('.cp-cell-tools, [data-testid="add-code"]')).toBeNull();
  });
});

it('breaks no rule of accessibility', async () => {
  await show();
  expect(await violationsOf(box)).toEqual([]);
});

it('keys that belong to the browser are left to it', () => {
  const keys = new CellKeys();
  const event = { key: 'a', ctrlKey: true, metaKey: false, shiftKey: false, altKey: false };
  expect(keys.command(event)).toBeNull();
  expect(keys.command({ ...event, ctrlKey: false, key: 'F5' })).toBeNull();
  expect(keys.command({ ...event, key: 'Enter' })).toBe('run');
});
