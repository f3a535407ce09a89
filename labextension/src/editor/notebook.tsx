/** A notebook pad: its cells, each an editor on the cell's shared text, with their output. */
import { useEffect, useReducer, useRef } from 'react';
import * as Y from 'yjs';
import { readOutputs, type RunsModel } from '../execution/model';
import { OutputView } from '../execution/output';
import type { IRunRights } from '../execution/view';
import { Icon } from '../icon';
import type { FollowModel } from '../people/follow';
import type { Provider } from '../sync/provider';
import { useFollowedCell } from './cells';
import { TextEditor } from './view';

type Cell = Y.Map<unknown>;

export interface INotebookProps {
  provider: Provider;
  runs: RunsModel;
  rights: IRunRights;
  readOnly: boolean;
  cspNonce: string;
  limitBytes: number;
  onRefused: (words: string) => void;
  onReady: () => void;
  follow?: FollowModel;
}

/** Draw again when something in a shared type changes, other than its text. */
function useShared(type: Y.AbstractType<unknown>, deep: boolean): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = (events: unknown): void => {
      const list = Array.isArray(events) ? (events as Y.YEvent<Y.AbstractType<unknown>>[]) : [];
      if (!deep || list.some(event => event.path[event.path.length - 1] !== 'source')) {
        redraw();
      }
    };
    const observe = deep ? type.observeDeep.bind(type) : type.observe.bind(type);
    const unobserve = deep ? type.unobserveDeep.bind(type) : type.unobserve.bind(type);
    observe(slot);
    redraw();
    return () => unobserve(slot);
  }, [type, deep]);
}

const keys = new WeakMap<Cell, number>();
let made = 0;

/** What tells cells apart on the page: two may have come with the same id. */
function keyOf(cell: Cell): number {
  let key = keys.get(cell);
  if (key === undefined) {
    key = made += 1;
    keys.set(cell, key);
  }
  return key;
}

function newCell(kind: 'code' | 'markdown'): Cell {
  const cell: Cell = new Y.Map();
  cell.set('id', crypto.randomUUID?.() ?? String(Math.random()).slice(2));
  cell.set('cell_type', kind);
  cell.set('source', new Y.Text());
  cell.set('metadata', new Y.Map());
  if (kind === 'code') {
    cell.set('outputs', new Y.Array());
    cell.set('execution_count', null);
    cell.set('execution_state', 'idle');
  }
  return cell;
}

function CellView(props: INotebookProps & { cell: Cell; cells: Y.Array<Cell>; index: number }): JSX.Element {
  const { cell, cells, index, runs, rights } = props;
  useShared(cell as Y.AbstractType<unknown>, true);
  const id = String(cell.get('id'));
  const code = cell.get('cell_type') === 'code';
  const outputs = cell.get('outputs');
  const running = cell.get('execution_state') === 'running';
  const count = cell.get('execution_count') as number | null | undefined;
  const run = (): void => {
    if (code && rights.mayRun && !rights.unavailable) {
      void runs.run(id);
    }
  };
  const article = useRef<HTMLElement>(null);
  const runAndAdvance = (advance: boolean): void => {
    run();
    if (advance) {
      article.current?.nextElementSibling?.querySelector<HTMLElement>('.cm-content')?.focus();
    }
  };
  const here = (): number => cells.toArray().indexOf(cell);
  return (
    <article ref={article} className="cp-cell" data-testid="cell" data-cell={id} aria-label={`Cell ${index + 1}`}>
      <div className="cp-cell-side">
        {code && (
          <>
            <span className="cp-prompt" aria-label={running ? 'running' : undefined}>{`[${running ? '*' : (count ?? ' ')}]`}</span>
            <button className="cp-button cp-icon-button" data-testid="run-cell" aria-label={`Run cell ${index + 1}`} title={rights.unavailable ?? 'Run this cell (Shift+Enter)'} disabled={!rights.mayRun || rights.unavailable !== null} onClick={run}>
              <Icon path="M6 4v16l14-8z" />
            </button>
          </>
        )}
      </div>
      <div className="cp-cell-body">
        <TextEditor
          provider={props.provider}
          text={cell.get('source') as Y.Text}
          language={code ? 'python' : 'markdown'}
          readOnly={props.readOnly}
          label={`${code ? 'Code' : 'Text'} of cell ${index + 1}`}
          limitBytes={props.limitBytes}
          cspNonce={props.cspNonce}
          inline
          onRefused={props.onRefused}
          onRun={runAndAdvance}
          onReady={props.onReady}
        />
        {outputs instanceof Y.Array &&
          readOutputs(outputs).map((output, i) => <OutputView key={i} output={output} />)}
      </div>
      {!props.readOnly && (
        <div className="cp-cell-tools">
          <button className="cp-button cp-icon-button" data-testid="add-cell" aria-label={`Add a cell below cell ${index + 1}`} title="Add a cell below" onClick={() => cells.insert(here() + 1, [newCell('code')])}>
            <Icon path="M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z" />
          </button>
          <button className="cp-button cp-icon-button" data-testid="delete-cell" aria-label={`Delete cell ${index + 1}`} title="Delete this cell" disabled={cells.length < 2} onClick={() => cells.delete(here(), 1)}>
            <Icon path="M6 7h12l-1 14H7zM9 4h6l1 2h4v2H4V6h4z" />
          </button>
        </div>
      )}
    </article>
  );
}

export default function NotebookView(props: INotebookProps): JSX.Element {
  const cells = props.provider.doc.getArray<Cell>('cells');
  useShared(cells as Y.AbstractType<unknown>, false);
  const { onReady } = props;
  const empty = cells.length === 0;
  const box = useRef<HTMLDivElement>(null);
  useFollowedCell(box, cells, props.follow);
  useEffect(() => {
    if (empty) {
      onReady(); // no editor will say so
    }
  }, [empty]);
  return (
    <div className="cp-notebook" data-testid="notebook" ref={box}>
      {cells.toArray().map((cell, index) => (
        <CellView key={keyOf(cell)} {...props} cell={cell} cells={cells} index={index} />
      ))}
      {cells.length === 0 && (
        <p className="cp-empty">
          This notebook is empty.{' '}
          {!props.readOnly && (
            <button className="cp-button" onClick={() => cells.push([newCell('code')])}>
              Add a cell
            </button>
          )}
        </p>
      )}
    </div>
  );
}
