/** A notebook pad: its cells, and the keys and buttons that work on them. */
import { type KeyboardEvent, type ReactNode, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type * as Y from 'yjs';
import { type IRunEntry, newestOfCells, type RunsModel } from '../execution/model';
import { AskedNews, useTypedAt } from '../execution/stdin';
import { type IRunRights, RunControls, RunNews } from '../execution/view';
import type { FollowModel } from '../people/follow';
import { Modal } from '../popover';
import { useSignal } from '../react';
import type { Provider } from '../sync/provider';
import { CellView, type ICellActions, isPending } from './cell';
import { type Cell, CellEdits, type CellKind, idOf, type IDeleted, kindOf } from './cell_edits';
import { useFollowedCell } from './cells';
import type { AfterRun } from './editor';
import type { IEditorLanguage } from './languages';
import { CellKeys, KEY_WORDS } from './notebook_keys';
import { rescueTyping } from './rescue';

const BUSY_WORDS = 'This cell is running. Stop it, or wait until it is done, then move or change it.';
const SAVED_WAITS_MS = 1000;

export interface INotebookProps {
  provider: Provider;
  runs: RunsModel;
  rights: IRunRights;
  language: IEditorLanguage;
  readOnly: boolean;
  cspNonce: string;
  limitBytes: number;
  /** Who is typing, for the bar above the cells. */
  typing: ReactNode;
  onRunCells: (ids: string[]) => void;
  /** Show words for some seconds, with something that can be done about them. */
  onTell: (words: string, action?: { label: string; act: () => void }) => void;
  onRefused: (words: string) => void;
  onReady: () => void;
  follow?: FollowModel;
}

/** What tells cells apart on the page: the id, and which one of those that have the same. */
export function keysOf(cells: readonly Cell[]): string[] {
  const seen = new Map<string, number>();
  return cells.map(cell => {
    const id = idOf(cell);
    const times = seen.get(id) ?? 0;
    seen.set(id, times + 1);
    return times ? `${id}#${times}` : id;
  });
}

/** Resolves when the server has everything, or after a while. */
function saved(provider: Provider): Promise<void> {
  return new Promise(resolve => {
    if (provider.status !== 'saving') {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      provider.statusChanged.disconnect(done);
      resolve();
    };
    const timer = setTimeout(done, SAVED_WAITS_MS);
    provider.statusChanged.connect(done);
  });
}

interface IFocus {
  id: string;
  edit: boolean;
}

/** Where the keyboard is among the cells, and goes to next: also to one that is not drawn yet. */
class Focus {
  wanted: IFocus | null = null;

  constructor(
    private readonly _box: () => HTMLElement | null,
    private readonly _redraw: () => void
  ) {}

  go(id: string, edit = false): void {
    this.wanted = { id, edit };
    this._redraw();
  }

  /** After each drawing: go there if it is there now. */
  settle(): void {
    const { wanted } = this;
    const article = wanted && this.article(wanted.id);
    const target = wanted?.edit ? article?.querySelector<HTMLElement>('.cm-content') : article;
    if (article && target) {
      this.wanted = null;
      target.focus({ preventScroll: true });
      article.scrollIntoView({ block: 'nearest' });
    }
  }

  article(id: string): HTMLElement | null {
    const all = [...(this._box()?.querySelectorAll<HTMLElement>('[data-cell]') ?? [])];
    return all.find(one => one.dataset['cell'] === id) ?? null;
  }
}

/**
 * Draw again when cells come or go; when others have done it, before anything else can happen: who edits
 * a cell that they move types on in the new editor.
 */
function useCells(cells: Y.Array<Cell>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let due: 'now' | 'soon' | null = null;
    const note = (_: unknown, transaction: Y.Transaction): void => {
      due = transaction.local ? (due ?? 'soon') : 'now';
    };
    const settle = (): void => {
      const when = due;
      due = null;
      if (when === 'now') {
        flushSync(redraw);
      } else if (when) {
        redraw();
      }
    };
    cells.observe(note);
    cells.doc?.on('afterAllTransactions', settle);
    redraw();
    return () => {
      cells.unobserve(note);
      cells.doc?.off('afterAllTransactions', settle);
    };
  }, [cells]);
}

export default function NotebookView(props: INotebookProps): JSX.Element {
  const { provider, runs, rights, readOnly } = props;
  const edits = useMemo(() => new CellEdits(provider.doc), [provider]);
  const cells = edits.cells;
  // Before the cells are drawn: what is typed into one that is moved is there when its editor is made.
  useEffect(() => rescueTyping(provider.doc, () => provider.status === 'saved'), [provider]);
  useCells(cells);
  useSignal(runs.changed);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [activeId, setActiveId] = useState<string | null>(null);
  const [editing, setEditing] = useState<ReadonlySet<string>>(new Set());
  const [help, setHelp] = useState(false);
  const typedAt = useTypedAt();
  const box = useRef<HTMLDivElement>(null);
  useFollowedCell(box, cells, props.follow);
  const keys = useMemo(() => new CellKeys(), []);
  const focus = useMemo(() => new Focus(() => box.current, redraw), []);
  useEffect(() => focus.settle());
  const list = cells.toArray();
  const empty = list.length === 0;
  useEffect(() => {
    if (empty || list.every(cell => kindOf(cell) === 'markdown')) {
      props.onReady(); // no editor will say so
    }
  }, [empty]);

  const newest = newestOfCells(runs.runs);
  const active = list.find(cell => idOf(cell) === activeId) ?? list[0] ?? null;
  const latest = useRef({ props, newest });
  latest.current = { props, newest };

  const actions = useMemo(() => makeActions(edits, focus, latest, setEditing), [edits]);
  const command = useMemo(() => makeCommands(edits, focus, actions), [actions]);

  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const target = event.target as HTMLElement;
    const article = target.closest<HTMLElement>('[data-cell]');
    const cell = article && list.find(one => idOf(one) === article.dataset['cell']);
    if (!article || !cell || event.defaultPrevented) {
      return;
    }
    if (target === article) {
      const wish = keys.command(event);
      if (wish) {
        event.preventDefault();
        command(wish, cell, readOnly);
      }
    } else if (event.key === 'Escape' && target.closest('.cm-editor')) {
      focus.go(idOf(cell));
    }
  };
  const runAll = (): void => props.onRunCells(list.filter(cell => kindOf(cell) === 'code').map(idOf));
  const mayRun = rights.mayRun && rights.unavailable === null;
  return (
    <>
      <div className="cp-toolbar">
        <RunControls model={runs} rights={rights} onRun={() => active && actions.run(active, 'advance')}>
          <button className="cp-button" data-testid="run-all" disabled={!mayRun || empty} title={rights.unavailable ?? 'Run all cells, up to the first that fails'} onClick={runAll}>
            Run all
          </button>
        </RunControls>
        {!readOnly && (
          <div className="cp-controls" role="group" aria-label="Cells">
            <button className="cp-button" data-testid="add-code" title="Add a code cell below (B)" onClick={() => actions.insertAfter(active, 'code')}>
              + Code
            </button>
            <button className="cp-button" data-testid="add-text" title="Add a text cell below" onClick={() => actions.insertAfter(active, 'markdown')}>
              + Text
            </button>
            <button className="cp-button" data-testid="clear-outputs" title="Remove the outputs of all cells" onClick={() => edits.clear(list)}>
              Clear
            </button>
          </div>
        )}
        <button className="cp-button cp-icon-button" data-testid="notebook-keys" aria-label="Keys" title="Keys" aria-haspopup="dialog" onClick={() => setHelp(true)}>
          ?
        </button>
        {props.typing}
      </div>
      {rights.unavailable && <p className="cp-warning">{rights.unavailable}</p>}
      <div
        className="cp-notebook"
        data-testid="notebook"
        ref={box}
        onKeyDown={onKeyDown}
        onFocus={event => {
          const id = event.target.closest<HTMLElement>('[data-cell]')?.dataset['cell'];
          if (id !== undefined) {
            setActiveId(id);
          }
        }}
      >
        {keysOf(list).map((key, index) => {
          const cell = list[index] as Cell;
          const id = idOf(cell);
          return (
            <CellView
              key={key}
              cell={cell}
              index={index}
              count={list.length}
              active={cell === active}
              editing={editing.has(id)}
              entry={newest.get(id) ?? null}
              provider={provider}
              runs={runs}
              rights={rights}
              typedAt={typedAt}
              readOnly={readOnly}
              language={props.language}
              cspNonce={props.cspNonce}
              limitBytes={props.limitBytes}
              actions={actions}
            />
          );
        })}
        {empty && (
          <p className="cp-empty">
            This notebook is empty.{' '}
            {!readOnly && (
              <button className="cp-button" data-testid="first-cell" onClick={() => actions.insertAfter(null, 'code')}>
                Add a cell
              </button>
            )}
          </p>
        )}
      </div>
      <RunNews model={runs} />
      <AskedNews model={runs} />
      {help && <KeysHelp onClose={() => setHelp(false)} />}
    </>
  );
}

interface INotebookActions extends ICellActions {
  insertAfter: (cell: Cell | null, kind: CellKind, edit?: boolean) => void;
  insertBefore: (cell: Cell) => void;
  restore: () => void;
}

interface ILatest {
  current: { props: INotebookProps; newest: Map<string, IRunEntry> };
}

function makeActions(
  edits: CellEdits,
  focus: Focus,
  latest: ILatest,
  setEditing: (change: (before: ReadonlySet<string>) => ReadonlySet<string>) => void
): INotebookActions {
  const deleted: IDeleted[] = [];
  const isBusy = (cell: Cell): boolean => {
    const busy = isPending(cell, latest.current.newest.get(idOf(cell)) ?? null);
    if (busy) {
      latest.current.props.onTell(BUSY_WORDS);
    }
    return busy;
  };
  const setEdited = (cell: Cell, on: boolean): void =>
    setEditing(before => {
      const after = new Set(before);
      return (on ? after.add(idOf(cell)) : after.delete(idOf(cell))) ? after : before;
    });
  const insertAfter = (cell: Cell | null, kind: CellKind, edit = kind === 'markdown'): void => {
    const id = edits.insert(cell ? edits.indexOf(cell) + 1 : edits.cells.length, kind);
    if (kind === 'markdown') {
      setEditing(before => new Set(before).add(id));
    }
    focus.go(id, edit);
  };
  const restore = (): void => {
    const last = deleted.pop();
    if (last) {
      edits.restore(last);
      focus.go(last.id);
    }
  };
  const run = (cell: Cell, then: AfterRun): void => {
    const { props } = latest.current;
    if (kindOf(cell) === 'code' && props.rights.mayRun && props.rights.unavailable === null) {
      props.onRunCells([idOf(cell)]);
    }
    setEdited(cell, false);
    const next = edits.cells.toArray()[edits.indexOf(cell) + 1];
    if (then === 'insert' && !props.readOnly) {
      insertAfter(cell, 'code', true);
    } else if (then === 'advance' && next) {
      focus.go(idOf(next));
    } else if (then === 'advance' && !props.readOnly) {
      insertAfter(cell, 'code', true);
    } else if (kindOf(cell) === 'markdown') {
      focus.go(idOf(cell));
    }
  };
  return {
    run,
    insertAfter,
    restore,
    insertBelow: cell => insertAfter(cell, 'code'),
    insertBefore: cell => focus.go(edits.insert(edits.indexOf(cell), 'code')),
    edit: cell => {
      setEdited(cell, true);
      focus.go(idOf(cell), true);
    },
    move: (cell, step) => {
      if (!isBusy(cell)) {
        const id = idOf(cell);
        // What is being sent would reach the others after the cell that it belongs to is gone.
        void saved(latest.current.props.provider).then(() => {
          if (edits.move(cell, step)) {
            focus.go(id);
          }
        });
      }
    },
    change: (cell, kind) => {
      if (!isBusy(cell)) {
        const id = idOf(cell);
        setEditing(before => new Set(before).add(id));
        if (edits.change(cell, kind)) {
          focus.go(id);
        }
      }
    },
    remove: cell => {
      const list = edits.cells.toArray();
      const at = list.indexOf(cell);
      const neighbour = list[at + 1] ?? list[at - 1];
      const gone = edits.remove(cell);
      if (gone) {
        deleted.push(gone);
        deleted.splice(0, deleted.length - 20);
        latest.current.props.onTell('The cell was deleted.', { label: 'Undo', act: restore });
      }
      if (neighbour) {
        focus.go(idOf(neighbour));
      }
    },
    refused: words => latest.current.props.onRefused(words),
    ready: () => latest.current.props.onReady()
  };
}

type Command = NonNullable<ReturnType<CellKeys['command']>>;

/** What keys do when a cell is chosen and not edited; those who only read can look around and run. */
function makeCommands(edits: CellEdits, focus: Focus, actions: INotebookActions): (command: Command, cell: Cell, readOnly: boolean) => void {
  const to = (index: number): void => {
    const list = edits.cells.toArray();
    const cell = list[Math.max(0, Math.min(list.length - 1, index))];
    if (cell) {
      focus.go(idOf(cell));
    }
  };
  const looking: Partial<Record<Command, (cell: Cell) => void>> = {
    up: cell => to(edits.indexOf(cell) - 1),
    down: cell => to(edits.indexOf(cell) + 1),
    first: () => to(0),
    last: () => to(edits.cells.length - 1),
    run: cell => actions.run(cell, 'stay'),
    'run-advance': cell => actions.run(cell, 'advance'),
    'run-insert': cell => actions.run(cell, 'insert')
  };
  const changing: Partial<Record<Command, (cell: Cell) => void>> = {
    edit: cell => actions.edit(cell),
    above: cell => actions.insertBefore(cell),
    below: cell => actions.insertBelow(cell),
    delete: cell => actions.remove(cell),
    restore: () => actions.restore(),
    code: cell => actions.change(cell, 'code'),
    markdown: cell => actions.change(cell, 'markdown'),
    raw: cell => actions.change(cell, 'raw'),
    'move-up': cell => actions.move(cell, -1),
    'move-down': cell => actions.move(cell, 1)
  };
  return (command, cell, readOnly) => (looking[command] ?? (readOnly ? undefined : changing[command]))?.(cell);
}

function KeysHelp(props: { onClose: () => void }): JSX.Element {
  return (
    <Modal title="Keys in a notebook" testid="keys-dialog" onClose={props.onClose}>
      <dl className="cp-keys">
        {KEY_WORDS.map(([pressed, words]) => (
          <div key={pressed}>
            <dt>
              <kbd>{pressed}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
