import { EditorState } from '@codemirror/state';
import { ySyncAnnotation } from 'y-codemirror.next';
import { describe, expect, it } from 'vitest';
import { bytesOf, sizeLimit, sizeWords } from '../../src/editor/limit';

function editor(doc: string, limit: number): { state: EditorState; words: string[] } {
  const words: string[] = [];
  const state = EditorState.create({ doc, extensions: sizeLimit(limit, said => words.push(said)) });
  return { state, words };
}

function insert(state: EditorState, at: number, text: string): string {
  return state.update({ changes: { from: at, insert: text } }).state.doc.toString();
}

describe('the size limit', () => {
  it('lets text in up to the last byte', () => {
    const { state, words } = editor('abc', 10);
    expect(insert(state, 3, '1234567')).toBe('abc1234567');
    expect(words).toEqual([]);
  });

  it('refuses one byte more, in words, and loses nothing', () => {
    const { state, words } = editor('abc', 10);
    expect(insert(state, 3, '12345678')).toBe('abc');
    expect(words).toHaveLength(1);
    expect(words[0]).toContain('Nothing was inserted');
  });

  it('counts bytes, not characters', () => {
    expect(insert(editor('', 10).state, 0, '€€€')).toBe('€€€');
    expect(insert(editor('', 10).state, 0, '€€€€')).toBe('');
    expect(insert(editor('', 10).state, 0, '🙂🙂🙂')).toBe('');
  });

  it('refuses a longer replacement, and keeps what was selected', () => {
    const { state } = editor('abcdefgh', 10);
    const tr = state.update({ changes: { from: 0, to: 8, insert: 'x'.repeat(2_000_000) } });
    expect(tr.state.doc.toString()).toBe('abcdefgh');
  });

  it('refuses one that is shorter in characters and too long in bytes', () => {
    const { state } = editor('abcdefgh', 10);
    const tr = state.update({ changes: { from: 0, to: 8, insert: '€€€€€' } });
    expect(tr.state.doc.toString()).toBe('abcdefgh');
  });

  it('lets a text that is too long already become shorter', () => {
    const { state, words } = editor('x'.repeat(20), 10);
    expect(state.update({ changes: { from: 0, to: 3 } }).state.doc.length).toBe(17);
    expect(state.update({ changes: { from: 0, to: 3, insert: 'y' } }).state.doc.length).toBe(18);
    expect(words).toEqual([]);
  });

  it('never refuses what others typed: the shared text has it already', () => {
    const { state } = editor('abc', 10);
    const tr = state.update({
      changes: { from: 0, insert: 'x'.repeat(50) },
      annotations: ySyncAnnotation.of({} as never)
    });
    expect(tr.state.doc.length).toBe(53);
  });
});

it('says sizes as people do', () => {
  expect(bytesOf('€')).toBe(3);
  expect(sizeWords(1_000_000)).toBe('1.0 MB');
  expect(sizeWords(1500)).toBe('2 kB');
});
