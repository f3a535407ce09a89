import type { EditorView } from '@codemirror/view';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openEditor } from '../support/editor';
import { participant } from '../support/models';
import { fakePage, type IFakePage } from '../support/page';

let page: IFakePage;
let view: EditorView;
let text: Y.Text;
let ada: awarenessProtocol.Awareness;
/** Where the editor was asked to scroll. */
let places: number[];

beforeEach(() => {
  page = fakePage();
  const { model, pad } = page;
  places = [];
  text = model.pad.doc.getText('source');
  text.insert(0, Array.from({ length: 50 }, (_, line) => `line ${line}\n`).join(''));
  view = openEditor(text, model.pad.awareness, { follow: model.follow }).view;
  const dispatch = view.dispatch.bind(view);
  vi.spyOn(view, 'dispatch').mockImplementation((...specs: unknown[]) => {
    for (const spec of specs as { effects?: { value?: { range?: { head: number } } } }[]) {
      const head = spec.effects?.value?.range?.head;
      if (head !== undefined) {
        places.push(head);
      }
    }
    (dispatch as (...all: unknown[]) => void)(...specs);
  });
  ada = new awarenessProtocol.Awareness(new Y.Doc());
  pad.say({ type: 'participants', participants: [participant('Ada')] });
});

afterEach(() => {
  view.destroy();
  ada.destroy();
  page.close();
});

const at = (index: number): unknown => JSON.parse(JSON.stringify(Y.createRelativePositionFromTypeIndex(text, index)));

function says(state: object): void {
  ada.setLocalState({ user: { name: 'Ada', display_name: 'Ada', participant_id: 'ada' }, ...state });
  const update = awarenessProtocol.encodeAwarenessUpdate(ada, [ada.clientID]);
  awarenessProtocol.applyAwarenessUpdate(page.model.pad.awareness, update, page.model.pad);
}

describe('following', () => {
  it('goes where the other is, and along', async () => {
    says({ viewport: { position: at(100), cell: null }, cursors: [{ head: at(3) }] });
    await Promise.resolve();
    expect(places).toEqual([]);
    page.model.follow.follow('ada');
    await vi.waitFor(() => expect(places).toEqual([100]));
    says({ viewport: { position: at(200), cell: null } });
    await vi.waitFor(() => expect(places).toEqual([100, 200]));
  });

  it('goes by the caret of somebody in JupyterLab', async () => {
    says({ cursors: [{ head: at(42) }] });
    page.model.follow.follow('ada');
    await vi.waitFor(() => expect(places).toEqual([42]));
  });

  it('stays where it is when the other says nonsense', async () => {
    says({ viewport: { position: 'everywhere', cell: null }, cursors: 'all' });
    page.model.follow.follow('ada');
    await Promise.resolve();
    expect(places).toEqual([]);
    expect(view.state.doc.lines).toBe(51);
  });

  it.each([
    ['the wheel', () => new WheelEvent('wheel', { bubbles: true })],
    ['a finger', () => new Event('touchmove', { bubbles: true })],
    ['the scroll bar or a click', () => new MouseEvent('mousedown', { bubbles: true })],
    ['a key', () => new KeyboardEvent('keydown', { key: 'PageDown', bubbles: true })],
    ['Escape', () => new KeyboardEvent('keydown', { key: 'Escape', bubbles: true })]
  ])('ends by %s, also beside the text', (_, event) => {
    for (const target of [view.contentDOM, view.scrollDOM]) {
      page.model.follow.follow('ada');
      target.dispatchEvent(event());
      expect(page.model.follow.target).toBeNull();
    }
  });

  it('does not end by Shift alone, nor by what others type', () => {
    page.model.follow.follow('ada');
    view.contentDOM.dispatchEvent(new KeyboardEvent('keydown', { key: 'Shift', bubbles: true }));
    text.doc?.transact(() => text.insert(0, 'theirs'), 'another');
    expect(page.model.follow.target).toBe('ada');
  });
});

it('tells what is seen first, at most five times a second', async () => {
  vi.useFakeTimers();
  const shown = vi.spyOn(page.model.follow, 'show');
  for (let i = 0; i < 20; i++) {
    view.scrollDOM.dispatchEvent(new Event('scroll'));
  }
  vi.advanceTimersByTime(1000);
  expect(shown.mock.calls.length).toBeLessThanOrEqual(2);
  vi.useRealTimers();
});
