/** What a program reads: the field where it asks, and the box for all of it at once. */
import { type FormEvent, type RefObject, useEffect, useId, useLayoutEffect, useRef, useState } from 'react';
import { useSignal } from '../react';
import type { IRunEntry, RunsModel } from './model';
import type { IRunRights } from './view';

/** When this person typed something last, on the clock of `performance.now`. */
export function useTypedAt(): RefObject<number> {
  const typedAt = useRef(-Infinity);
  useEffect(() => {
    const note = (): void => {
      typedAt.current = performance.now();
    };
    document.addEventListener('beforeinput', note, true);
    return () => document.removeEventListener('beforeinput', note, true);
  }, []);
  return typedAt;
}

/** Where the keyboard is when it leaves the field: the cell, on the room page or in JupyterLab, or the runs. */
const AROUND = '.cp-cell, .jp-Cell, .cp-run-list';

const PASSWORD_WORDS = 'Nobody sees what you type, but the program gets it: give it no password of your own.';

export interface IInputFieldProps {
  model: RunsModel;
  run: IRunEntry;
  rights: IRunRights;
  typedAt: RefObject<number>;
}

/**
 * The field of a run that asks. The focus goes there for who has run it (or has answered it before), and
 * only if they have not begun to type elsewhere since.
 */
export function InputField(props: IInputFieldProps): JSX.Element | null {
  const { model, run, rights, typedAt } = props;
  const wish = run.input;
  const [text, setText] = useState('');
  const [sending, setSending] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const leave = (): void => {
    field.current?.closest<HTMLElement>(AROUND)?.focus({ preventScroll: true });
  };
  useLayoutEffect(() => {
    const input = field.current;
    if (model.awaits(run, rights.me ?? null, typedAt.current ?? -Infinity)) {
      input?.focus();
    }
    return () => {
      // The field goes with the answer; the keyboard stays near it.
      if (input && document.activeElement === input) {
        input.closest<HTMLElement>(AROUND)?.focus({ preventScroll: true });
      }
    };
  }, []);
  if (!wish) {
    return null;
  }
  const prompt = wish.prompt.trim();
  const why = rights.unavailable ?? (rights.mayRun ? null : 'Only those who may run code can answer.');
  const hint = why ?? (wish.password ? PASSWORD_WORDS : null);
  const send = (event: FormEvent): void => {
    event.preventDefault();
    setSending(true);
    void model.answer(run.id, text).then(taken => {
      setSending(false);
      if (taken) {
        setText('');
      }
    });
  };
  return (
    <form className="cp-stdin" data-testid="stdin" onSubmit={send}>
      <label htmlFor={id} className={prompt ? 'cp-stdin-prompt' : 'cp-muted'}>
        {prompt || 'The program waits for input:'}
      </label>
      <span className="cp-stdin-row">
        <input
          id={id}
          ref={field}
          className="cp-input"
          data-testid="stdin-field"
          type={wish.password ? 'password' : 'text'}
          // A password that the browser keeps for this address must not be filled in.
          autoComplete={wish.password ? 'new-password' : 'off'}
          autoCapitalize="none"
          spellCheck={false}
          value={text}
          disabled={why !== null}
          readOnly={sending}
          aria-describedby={hint ? `${id}-hint` : undefined}
          onKeyDown={event => {
            event.stopPropagation();
            if (event.key === 'Escape') {
              leave(); // the program goes on waiting
            }
          }}
          onChange={event => setText(event.target.value)}
        />
        <button className="cp-button" data-testid="stdin-send" disabled={why !== null || sending}>
          Send
        </button>
      </span>
      {hint && (
        <span id={`${id}-hint`} className="cp-muted cp-stdin-hint">
          {hint}
        </span>
      )}
    </form>
  );
}

function asksWords(runs: IRunEntry[]): string {
  const asking = runs.find(run => run.input);
  return asking ? `The program that ${asking.name} runs asks for input. ${asking.input?.prompt ?? ''}` : '';
}

const LIMIT_CHARACTERS = 60_000;

export function StdinButton(props: { open: boolean; text: string; onToggle: () => void }): JSX.Element {
  const lines = lineCount(props.text);
  const words = lines ? `${lines} ${lines === 1 ? 'line' : 'lines'}` : '';
  return (
    <button
      className="cp-button"
      data-testid="stdin-toggle"
      aria-expanded={props.open}
      aria-controls="cp-stdin-box"
      aria-label={`Input for the program${words ? `: ${words}` : ''}`}
      title="What the program reads, given before it runs"
      onClick={props.onToggle}
    >
      Input
      {lines > 0 && <span className="cp-count cp-count-quiet" aria-hidden="true" data-count={lines} />}
    </button>
  );
}

export function StdinBox(props: { text: string; onChange: (text: string) => void }): JSX.Element {
  const lines = lineCount(props.text);
  return (
    <div className="cp-stdin-box" id="cp-stdin-box" data-testid="stdin-box">
      <label htmlFor="cp-stdin-text">Input for the next run</label>
      <textarea
        id="cp-stdin-text"
        className="cp-input"
        data-testid="stdin-text"
        rows={4}
        spellCheck={false}
        maxLength={LIMIT_CHARACTERS}
        value={props.text}
        aria-describedby="cp-stdin-words"
        onChange={event => props.onChange(event.target.value)}
      />
      <span className="cp-muted" id="cp-stdin-words">
        {lines
          ? `When you press Run the program reads ${lines === 1 ? 'this line' : `these ${lines} lines`}, and then the end of its input.`
          : 'Empty: when the program asks, there is a field in the output.'}
      </span>
    </div>
  );
}

function lineCount(text: string): number {
  return text === '' ? 0 : text.replace(/\n$/, '').split('\n').length;
}

/** All that is asked in a room, for those who do not see it. */
export function AskedNews(props: { model: RunsModel }): JSX.Element {
  useSignal(props.model.changed);
  return (
    <div className="cp-visually-hidden" aria-live="polite">
      {asksWords(props.model.runs)}
    </div>
  );
}
