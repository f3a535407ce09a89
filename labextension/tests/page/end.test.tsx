import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EndScreen } from '../../src/page/end';

const TEXT = 'typed = 1\n';
let box: HTMLElement;
let root: Root;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  act(() => root.unmount());
  box.remove();
  vi.unstubAllGlobals();
});

it.each([1009, 4413])('with close code %i says why, and what did not arrive can be copied and saved', code => {
  act(() => root.render(<EndScreen code={code} words="That did not fit." unsaved text={TEXT} />));
  expect(box.textContent).toContain('That did not fit.');
  expect(box.textContent).toContain('Your last changes did not reach the server.');
  expect(box.querySelector('textarea')?.value).toBe(TEXT);
  const saved: [name: string, blob: Blob][] = [];
  const blobs: Blob[] = [];
  vi.stubGlobal('URL', { createObjectURL: (blob: Blob) => `blob:${blobs.push(blob)}` });
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
    saved.push([this.download, blobs[0] as Blob]);
  });
  act(() => box.querySelector<HTMLElement>('[data-testid=save-text]')?.click());
  expect(saved.map(([name, blob]) => [name, blob.size])).toEqual([['pad.txt', TEXT.length]]);
});

it('shows no text when all of it has arrived', () => {
  act(() => root.render(<EndScreen code={4410} words="The host has closed this room." text={TEXT} />));
  expect(box.querySelector('textarea')).toBeNull();
});
