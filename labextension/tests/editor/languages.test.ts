import { toggleComment } from '@codemirror/commands';
import { indentUnit, syntaxTree } from '@codemirror/language';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IPadEditor } from '../../src/editor/editor';
import { loadGrammar, usual } from '../../src/editor/languages';
import { openEditor } from '../support/editor';

let text: Y.Text;
let awareness: Awareness;
let editor: IPadEditor;

beforeEach(() => {
  const doc = new Y.Doc();
  text = doc.getText('source');
  awareness = new Awareness(doc);
});

afterEach(() => {
  editor.view.destroy();
  awareness.destroy();
});

const typed = (words: string): void => {
  const { view } = editor;
  const { head } = view.state.selection.main;
  const handlers = view.state.facet((view.constructor as typeof import('@codemirror/view').EditorView).inputHandler);
  const insert = (): ReturnType<typeof view.state.update> =>
    view.state.update({ changes: { from: head, insert: words }, selection: { anchor: head + words.length }, userEvent: 'input.type' });
  if (!handlers.some(handler => handler(view, head, head, words, insert))) {
    view.dispatch(insert());
  }
};

it('follows the language of the room while it is open, and loses nothing', async () => {
  text.insert(0, 'int x;\n');
  editor = openEditor(text, awareness);
  const { view } = editor;
  view.dispatch({ changes: { from: 7, insert: 'int y;' }, selection: { anchor: 13 }, userEvent: 'input.type' });
  toggleComment(view);
  expect(text.toString()).toBe('int x;\n# int y;');
  toggleComment(view);
  editor.setLanguage({ mode: 'cpp', comment: '//', indent: 4 });
  toggleComment(view);
  expect(text.toString()).toBe('int x;\n// int y;');
  await vi.waitFor(() => expect(syntaxTree(view.state).toString()).toContain('Declaration'));
  expect(view.state.selection.main.head).toBe(16);
  editor.undoManager.undo();
  expect(text.toString()).toBe('int x;\n');
});

describe('what the server says of a language', () => {
  it('comes before what its grammar says', async () => {
    text.insert(0, 'x');
    editor = openEditor(text, awareness, { language: { mode: 'cpp', comment: ';;', indent: 3 } });
    await loadGrammar('cpp');
    toggleComment(editor.view);
    expect(text.toString()).toBe(';; x');
    expect(editor.view.state.facet(indentUnit)).toBe('   ');
  });

  it('can be a tab', () => {
    editor = openEditor(text, awareness, { language: { ...usual('go'), indent: 'tab' } });
    expect(editor.view.state.facet(indentUnit)).toBe('\t');
  });
});

describe('brackets', () => {
  it('and quotes are closed', () => {
    editor = openEditor(text, awareness, { language: usual('javascript') });
    typed('(');
    typed('`');
    expect(text.toString()).toBe('(``)');
  });

  it('but a quote that stands alone is not', () => {
    editor = openEditor(text, awareness, { language: usual('rust') });
    typed("'");
    typed('{');
    expect(text.toString()).toBe("'{}");
  });
});

it.each([
  'javascript', 'typescript', 'c', 'cpp', 'java', 'rust', 'go', 'php', 'sql', 'ruby', 'perl', 'lua', 'shell', 'r', 'csharp', 'tcl', 'pascal'
])('has a grammar for %s', async mode => {
  const grammar = await loadGrammar(mode);
  editor = openEditor(text, awareness, { language: usual(mode) });
  expect(grammar).not.toEqual([]);
  expect(usual(mode).comment).not.toBe('');
});

it('takes what it does not know for plain text', async () => {
  editor = openEditor(text, awareness, { language: usual('klingon') });
  expect(await loadGrammar('klingon')).toEqual([]);
  typed('(');
  expect(text.toString()).toBe('()');
});
