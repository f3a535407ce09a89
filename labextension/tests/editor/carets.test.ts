import { EditorView } from '@codemirror/view';
import { EditorState } from '@codemirror/state';
import { yCollab } from 'y-codemirror.next';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carets } from '../../src/editor/carets';

/** A person at an editor of their own copy of the text. */
class Person {
  readonly doc = new Y.Doc();
  readonly text = this.doc.getText('source');
  readonly awareness = new awarenessProtocol.Awareness(this.doc);
  view!: EditorView;

  constructor(readonly name: string, color: string) {
    this.awareness.setLocalStateField('user', { name, display_name: name, color });
  }

  open(): void {
    const parent = document.body.appendChild(document.createElement('div'));
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: this.text.toString(),
        extensions: [yCollab(this.text, null), carets(this.text, this.awareness)]
      })
    });
  }

  carets(): HTMLElement[] {
    return [...this.view.dom.querySelectorAll<HTMLElement>('[data-testid="remote-caret"]')];
  }

  /** Where a caret of another person stands, as the index in the text. */
  caretIndex(): number {
    return this.view.posAtDOM(this.carets()[0] as HTMLElement);
  }

  hear(other: Person): void {
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(other.doc));
    const update = awarenessProtocol.encodeAwarenessUpdate(other.awareness, [other.doc.clientID]);
    awarenessProtocol.applyAwarenessUpdate(this.awareness, update, 'server');
  }

  say(cursors: unknown): void {
    this.awareness.setLocalStateField('cursors', cursors);
  }

  /** A cursor as JupyterLab writes it. */
  cursor(anchor: number, head: number): object {
    const relative = (index: number): unknown =>
      JSON.parse(JSON.stringify(Y.createRelativePositionFromTypeIndex(this.text, index)));
    return { anchor: relative(anchor), head: relative(head), primary: true, empty: anchor === head };
  }
}

let ada: Person;
let ben: Person;

beforeEach(() => {
  ada = new Person('Ada', '#aa0000');
  ben = new Person('Ben', '#0000aa');
  ada.text.insert(0, 'one\ntwo\nthree');
  ben.hear(ada);
  ben.open();
});

afterEach(() => {
  for (const person of [ada, ben]) {
    person.view?.destroy();
    person.awareness.destroy();
  }
  document.body.replaceChildren();
});

describe('the caret of another', () => {
  it('stands where they are, with name and colour', () => {
    ada.say([ada.cursor(4, 4)]);
    ben.hear(ada);
    expect(ben.carets()).toHaveLength(1);
    expect(ben.carets()[0]?.dataset['name']).toBe('Ada');
    expect(ben.carets()[0]?.style.borderColor).toBe('rgb(170, 0, 0)');
    expect(ben.carets()[0]?.textContent).toContain('Ada');
    expect(ben.caretIndex()).toBe(4);
  });

  it('moves with the text around it', () => {
    ada.say([ada.cursor(4, 4)]);
    ben.hear(ada);
    ben.view.dispatch({ changes: { from: 0, insert: 'zero\n' } });
    expect(ben.caretIndex()).toBe(9);
  });

  it('shows what they selected', () => {
    ada.say([ada.cursor(0, 7)]);
    ben.hear(ada);
    const marks = [...ben.view.dom.querySelectorAll('.cp-selection')];
    expect(marks.map(mark => mark.textContent?.replaceAll('\u2060', '')).join('|')).toBe('one|two');
    expect(ben.caretIndex()).toBe(7);
  });

  it('goes when they go', () => {
    ada.say([ada.cursor(4, 4)]);
    ben.hear(ada);
    ada.awareness.setLocalState(null);
    ben.hear(ada);
    expect(ben.carets()).toHaveLength(0);
  });

  it('is not one’s own', () => {
    ben.say([ben.cursor(2, 2)]);
    ben.view.dispatch({ changes: { from: 0, insert: 'x' } });
    expect(ben.carets()).toHaveLength(0);
  });

  it.each([
    ['no list', 'everywhere'],
    ['no positions', [{}]],
    ['null', [null]],
    ['a position of another text', [{ anchor: { tname: 'other', item: null, assoc: 0 }, head: null }]],
    ['nonsense', [{ anchor: { item: { client: -1, clock: 'x' } }, head: 7 }]],
    ['far more than one can have', Array.from({ length: 5000 }, () => ({}))]
  ])('is left out when they say %s', (_, cursors) => {
    ada.say(cursors);
    ben.hear(ada);
    expect(ben.carets()).toHaveLength(0);
    expect(ben.view.state.doc.toString()).toBe('one\ntwo\nthree');
  });

  it('takes a colour that is none for grey', () => {
    ada.awareness.setLocalStateField('user', { name: 'Ada', color: 'red; background: url(//evil.test)' });
    ada.say([ada.cursor(0, 1)]);
    ben.hear(ada);
    expect(ben.carets()[0]?.style.borderColor).toBe('rgb(97, 97, 97)');
  });
});

describe('one’s own caret', () => {
  it('is told in the format of JupyterLab, while the editor has the focus', () => {
    ben.view.focus();
    ben.view.dispatch({ selection: { anchor: 1, head: 5 } });
    const cursors = ben.awareness.getLocalState()?.['cursors'] as Record<string, unknown>[];
    expect(cursors).toHaveLength(1);
    expect(cursors[0]).toMatchObject({ primary: true, empty: false });
    const index = (position: unknown): number | undefined =>
      Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), ben.doc)?.index;
    expect(index(cursors[0]?.['anchor'])).toBe(1);
    expect(index(cursors[0]?.['head'])).toBe(5);
  });
});
