import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Modal } from '../src/popover';

function Opener(): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button id="opener" onClick={() => setOpen(true)}>
        Open
      </button>
      {open && (
        <Modal title="Links" testid="links" onClose={() => setOpen(false)}>
          <p>inside</p>
        </Modal>
      )}
    </>
  );
}

let root: Root;
/** Whether the dialog was still on the page when it was closed: only then is the focus given back. */
let closedOnPage: boolean[];

beforeEach(() => {
  closedOnPage = [];
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  HTMLDialogElement.prototype.showModal = function (): void {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (): void {
    closedOnPage.push(this.isConnected);
    this.open = false;
  };
  const box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
  act(() => root.render(<Opener />));
});

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const press = (selector: string): void => act(() => document.querySelector<HTMLElement>(selector)?.click());

it('a dialog has a name, a way out, and closes while it is on the page', () => {
  press('#opener');
  const dialog = document.querySelector('dialog');
  expect(dialog?.getAttribute('aria-label')).toBe('Links');
  expect(dialog?.open).toBe(true);
  press('[data-testid="dialog-close"]');
  expect(document.querySelector('dialog')).toBeNull();
  expect(closedOnPage).toEqual([true]);
});

it('keys in a dialog are not keys of the page', () => {
  press('#opener');
  const page = vi.fn();
  document.addEventListener('keydown', page);
  act(() => {
    document.querySelector('dialog')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  });
  expect(page).not.toHaveBeenCalled();
  document.removeEventListener('keydown', page);
});
