/** Small windows over the page: menus that close when one turns away, and dialogs. */
import { type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';

export interface IPopover {
  open: boolean;
  setOpen: (open: boolean) => void;
  /** The element that holds the button and what it opens. */
  box: RefObject<HTMLDivElement>;
}

/**
 * Open and close by a button; Escape closes too and gives the focus back.
 *
 * So does a click elsewhere if the popover is `floating`; one that takes room of its own stays, as
 * what is below it would move away under the click.
 */
export function usePopover(floating = true): IPopover {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) {
      return;
    }
    const close = (event: Event): void => {
      const escape = event instanceof KeyboardEvent && event.key === 'Escape';
      if (escape) {
        event.stopPropagation();
        box.current?.querySelector<HTMLElement>('button')?.focus();
      }
      const elsewhere = event.type === 'pointerdown' && !box.current?.contains(event.target as Node);
      if (escape || (floating && elsewhere)) {
        setOpen(false);
      }
    };
    document.addEventListener('keydown', close, true);
    document.addEventListener('pointerdown', close);
    return () => {
      document.removeEventListener('keydown', close, true);
      document.removeEventListener('pointerdown', close);
    };
  }, [open, floating]);
  return { open, setOpen, box };
}

/** A dialog over everything, with its title and a way out; the browser keeps the focus inside. */
export function Modal(props: {
  title: string;
  testid: string;
  onClose: () => void;
  children: ReactNode;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before it leaves the page: only then does the browser give the focus back to what opened it.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal?.();
    return () => element?.close?.();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="cp-dialog"
      data-testid={props.testid}
      aria-label={props.title}
      onCancel={event => {
        event.preventDefault();
        props.onClose();
      }}
      onKeyDown={event => event.stopPropagation()}
    >
      <header className="cp-dialog-head">
        <h2>{props.title}</h2>
        <button className="cp-button cp-icon-button" data-testid="dialog-close" aria-label="Close" title="Close" onClick={props.onClose}>
          ✕
        </button>
      </header>
      <div className="cp-dialog-body">{props.children}</div>
    </dialog>
  );
}
