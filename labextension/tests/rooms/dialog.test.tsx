import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NewRoomForm } from '../../src/rooms/dialog';
import type { INewRoom } from '../../src/rooms/model';
import type { ILanguage } from '../../src/types';

const language = (id: string, available: boolean, notebook: boolean): ILanguage => ({
  id,
  name: id.toUpperCase(),
  file_name: id,
  editor_mode: id,
  available,
  notebook,
  starter_text: `starter of ${id}`,
  missing: available ? null : `install ${id}`
});

let root: Root;
let box: HTMLElement;
let wish: INewRoom;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
  const languages = [language('c', true, false), language('go', false, false), language('python', true, true)];
  act(() =>
    root.render(<NewRoomForm languages={languages} pickFile={() => Promise.resolve(null)} onChange={next => (wish = next)} />)
  );
});

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const select = (testid: string): HTMLSelectElement => box.querySelector(`[data-testid="${testid}"]`) as HTMLSelectElement;

function choose(testid: string, value: string): void {
  act(() => {
    select(testid).value = value;
    select(testid).dispatchEvent(new Event('change', { bubbles: true }));
  });
}

const offered = (): string[] => [...select('new-room-language').options].map(option => option.textContent ?? '');

describe('a new room', () => {
  it('can be in any language, and says of some that they cannot be run here', () => {
    expect(offered()).toEqual(['C', 'GO (cannot be run here)', 'PYTHON']);
    choose('new-room-language', 'go');
    expect(wish.language).toBe('go');
    expect(box.querySelector('[data-testid="new-room-missing"]')?.textContent).toBe('GO cannot be run here: install go');
    expect(box.querySelector('textarea')?.placeholder).toBe('starter of go');
  });

  it('with a notebook is in a language that has notebooks', () => {
    choose('new-room-kind', 'notebook');
    expect(offered()).toEqual(['PYTHON']);
    expect(wish).toMatchObject({ pad_type: 'notebook', language: 'python' });
    choose('new-room-kind', 'file');
    expect(offered()).toHaveLength(3);
    expect(wish.pad_type).toBe('file');
  });
});
