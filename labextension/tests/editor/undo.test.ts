import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IPadEditor } from '../../src/editor/editor';
import { openEditor } from '../support/editor';

/** What the server holds, and another person's way to write: all of it comes over the line. */
let server: Y.Doc;
let doc: Y.Doc;
let awareness: Awareness;
let editor: IPadEditor;

const LINE = { name: 'the line' };

beforeEach(() => {
  server = new Y.Doc();
  doc = new Y.Doc();
  awareness = new Awareness(doc);
  doc.on('update', (update, origin) => origin !== LINE && Y.applyUpdate(server, update, LINE));
  server.on('update', (update, origin) => origin !== LINE && Y.applyUpdate(doc, update, LINE));
});

afterEach(() => {
  editor.view.destroy();
  awareness.destroy();
});

function open(readOnly = false): void {
  editor = openEditor(doc.getText('source'), awareness, { readOnly });
}

function shown(): string {
  expect(server.getText('source').toString()).toBe(editor.view.state.doc.toString());
  return editor.view.state.doc.toString();
}

/** Type as a step of its own. */
function type(at: number, words: string, to = at): void {
  editor.view.dispatch({ changes: { from: at, to, insert: words }, userEvent: 'input.type' });
  editor.undoManager.stopCapturing();
}

function theyType(at: number, words: string): void {
  server.getText('source').insert(at, words);
}

function press(key: 'z' | 'y'): void {
  const event = { key, keyCode: key.toUpperCase().charCodeAt(0), ctrlKey: true, bubbles: true, cancelable: true };
  editor.view.contentDOM.dispatchEvent(new KeyboardEvent('keydown', event));
}

function choose(inputType: 'historyUndo' | 'historyRedo'): void {
  editor.view.contentDOM.dispatchEvent(new InputEvent('beforeinput', { inputType, bubbles: true, cancelable: true }));
}

describe('undo takes back one’s own text', () => {
  it('and leaves what others wrote around it and inside of it', () => {
    open();
    type(0, 'mine');
    theyType(0, '[');
    theyType(3, '-theirs-');
    theyType(13, ']');
    expect(shown()).toBe('[mi-theirs-ne]');
    press('z');
    expect(shown()).toBe('[-theirs-]');
    press('z');
    expect(shown()).toBe('[-theirs-]');
    press('y');
    expect(shown()).toContain('-theirs-');
    expect(shown().replace('-theirs-', '')).toBe('[mine]');
  });

  it('and brings back what was typed over, beside what others wrote since', () => {
    theyType(0, 'one two three');
    open();
    type(4, 'mine', 7);
    theyType(0, '# ');
    press('z');
    expect(shown()).toBe('# one two three');
    press('y');
    expect(shown()).toBe('# one mine three');
  });

  it('and not what was there before, what comes from another tab, or what the server writes', () => {
    theyType(0, 'before ');
    open();
    theyType(7, 'from another tab ');
    doc.transact(() => doc.getText('source').insert(0, 'kept both '), 'server');
    doc.transact(() => doc.getText('source').insert(0, 'of no origin '));
    press('z');
    expect(shown()).toBe('of no origin kept both before from another tab ');
  });

  it('once, when the server tells us of it again after a reconnect', () => {
    theyType(0, 'theirs ');
    open();
    type(7, 'mine');
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(server), LINE);
    press('z');
    expect(shown()).toBe('theirs ');
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(server), LINE);
    press('z');
    expect(shown()).toBe('theirs ');
    press('y');
    expect(shown()).toBe('theirs mine');
  });

  it('but not what a server that lost its history has instead of it', () => {
    open();
    type(0, 'mine');
    const text = server.getText('source');
    server.transact(() => {
      text.delete(0, 4);
      text.insert(0, 'mine');
    });
    press('z');
    expect(shown()).toBe('mine');
  });
});

describe('redo', () => {
  it('outlives what others type', () => {
    open();
    type(0, 'mine');
    type(4, ' too');
    press('z');
    theyType(4, ' theirs');
    press('y');
    expect(shown()).toContain(' theirs');
    expect(shown().replace(' theirs', '')).toBe('mine too');
  });

  it('ends with one’s own next word', () => {
    open();
    type(0, 'first');
    press('z');
    type(0, 'second');
    press('y');
    expect(shown()).toBe('second');
  });
});

describe('who may not type any more', () => {
  it('cannot undo or redo, by key or by the browser’s menu, until they may again', () => {
    open();
    type(0, 'one ');
    type(4, 'two ');
    press('z');
    editor.setReadOnly(true);
    for (const key of ['z', 'y'] as const) {
      press(key);
      expect(shown()).toBe('one ');
    }
    choose('historyUndo');
    choose('historyRedo');
    expect(shown()).toBe('one ');
    editor.setReadOnly(false);
    choose('historyRedo');
    expect(shown()).toBe('one two ');
    press('z');
    press('z');
    expect(shown()).toBe('');
  });
});
