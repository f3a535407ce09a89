import type { EditorView } from '@codemirror/view';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IPadEditor } from '../../src/editor/editor';
import { openEditor } from '../support/editor';

let doc: Y.Doc;
let text: Y.Text;
let awareness: Awareness;
let editor: IPadEditor;
let view: EditorView;
const onRun = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  onRun.mockReset();
  doc = new Y.Doc();
  text = doc.getText('source');
  awareness = new Awareness(doc);
});

afterEach(() => {
  view.destroy();
  awareness.destroy();
  vi.useRealTimers();
});

function open(readOnly = false): void {
  editor = openEditor(text, awareness, { readOnly, limitBytes: 1000, onRun });
  view = editor.view;
}

function type(at: number, words: string): void {
  view.dispatch({ changes: { from: at, insert: words }, userEvent: 'input.type' });
}

function press(init: KeyboardEventInit): void {
  view.contentDOM.dispatchEvent(new KeyboardEvent('keydown', { ...init, bubbles: true, cancelable: true }));
}

it('shows the shared text, and what is typed goes there', () => {
  text.insert(0, 'a = 1');
  open();
  type(5, '\nb = 2');
  expect(text.toString()).toBe('a = 1\nb = 2');
  doc.transact(() => text.insert(0, '# top\n'), 'another');
  expect(view.state.doc.toString()).toBe('# top\na = 1\nb = 2');
});

it('keeps positions in a file with Windows line ends', () => {
  text.insert(0, 'a\r\nb\r\nc');
  open();
  expect(view.state.doc.length).toBe(text.length);
  doc.transact(() => text.insert(6, 'X\r\n'), 'another');
  type(view.state.doc.length, '!');
  expect(text.toString()).toBe('a\r\nb\r\nX\r\nc!');
  expect(view.state.sliceDoc(0, view.state.doc.length)).toBe(text.toString());
});

it('undoes one’s own changes only', () => {
  text.insert(0, 'start ');
  open();
  type(6, 'mine ');
  doc.transact(() => text.insert(0, 'theirs '), 'another');
  press({ key: 'z', keyCode: 90, ctrlKey: true });
  expect(text.toString()).toBe('theirs start ');
  press({ key: 'z', keyCode: 90, ctrlKey: true });
  expect(text.toString()).toBe('theirs start ');
});

describe('keys', () => {
  it('run the code', () => {
    open();
    press({ key: 'Enter', keyCode: 13, ctrlKey: true });
    expect(onRun).toHaveBeenLastCalledWith('stay');
    press({ key: 'Enter', keyCode: 13, shiftKey: true });
    expect(onRun).toHaveBeenLastCalledWith('advance');
    expect(text.toString()).toBe('');
  });

  it('let Tab indent, but leave after Escape', () => {
    open();
    const tab = (): boolean => {
      const event = new KeyboardEvent('keydown', { key: 'Tab', keyCode: 9, bubbles: true, cancelable: true });
      view.contentDOM.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(tab()).toBe(true);
    expect(text.toString()).toBe('    ');
    press({ key: 'Escape', keyCode: 27 });
    expect(tab()).toBe(false);
    expect(text.toString()).toBe('    ');
  });
});

describe('of an observer', () => {
  it('cannot be changed, and follows', () => {
    open(true);
    expect(view.contentDOM.getAttribute('contenteditable')).toBe('false');
    expect(view.contentDOM.getAttribute('aria-readonly')).toBe('true');
    expect(view.contentDOM.tabIndex).toBe(0);
    doc.transact(() => text.insert(0, 'live'), 'another');
    expect(view.state.doc.toString()).toBe('live');
  });
});

describe('typing', () => {
  it('is told, and taken back three seconds after the last key', () => {
    open();
    type(0, 'a');
    expect(awareness.getLocalState()?.['typing']).toBe(true);
    vi.advanceTimersByTime(2900);
    type(1, 'b');
    vi.advanceTimersByTime(2900);
    expect(awareness.getLocalState()?.['typing']).toBe(true);
    vi.advanceTimersByTime(200);
    expect(awareness.getLocalState()?.['typing']).toBe(false);
  });

  it('is not what others do', () => {
    open();
    doc.transact(() => text.insert(0, 'x'), 'another');
    expect(awareness.getLocalState()?.['typing']).toBeUndefined();
  });
});

it('lets somebody type, and no more, without losing the text, the caret or what can be undone', () => {
  text.insert(0, 'a = 1');
  open();
  type(5, '\nb = 2');
  view.dispatch({ selection: { anchor: 3 } });
  editor.setReadOnly(true);
  expect(view.contentDOM.getAttribute('contenteditable')).toBe('false');
  expect(view.contentDOM.getAttribute('aria-readonly')).toBe('true');
  expect(view.state.readOnly).toBe(true);
  doc.transact(() => text.insert(0, '# top\n'), 'another');
  editor.setReadOnly(false);
  expect(view.contentDOM.getAttribute('contenteditable')).toBe('true');
  expect(view.contentDOM.hasAttribute('aria-readonly')).toBe(false);
  expect(view.state.selection.main.anchor).toBe(9);
  press({ key: 'z', ctrlKey: true });
  expect(text.toString()).toBe('# top\na = 1');
});
