/** One cell of a notebook: its prompt, its editor or text, its output, and what one can do with it. */
import { memo, type RefObject, useEffect, useReducer } from 'react';
import { flushSync } from 'react-dom';
import * as Y from 'yjs';
import { CalmDrawing } from '../calm';
import { isOver, type IRunEntry, readOutputs, type RunsModel } from '../execution/model';
import { AnsweredBy } from '../execution/cell_run';
import { OutputView } from '../execution/output';
import { type IRunRights, RunEnd, statusWords } from '../execution/view';
import { Icon } from '../icon';
import type { Provider } from '../sync/provider';
import { type Cell, type CellKind, idOf, kindOf, sourceOf } from './cell_edits';
import type { AfterRun } from './editor';
import { type IEditorLanguage, usual } from './languages';
import { MarkdownView } from './markdown_cell';
import { TextEditor } from './view';

const UP = 'M12 6l7 7-1.400 1.400L13 9.800V20h-2V9.800l-4.600 4.600L5 13z';
const DOWN = 'M12 18l-7-7 1.400-1.400L11 14.200V4h2v10.200l4.600-4.600L19 11z';
const PLUS = 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z';
const BIN = 'M6 7h12l-1 14H7zM9 4h6l1 2h4v2H4V6h4z';
const PLAY = 'M6 4v16l14-8z';
const PEN = 'M4 20v-4L15.500 4.500l4 4L8 20zM16.500 3.500L18 2l4 4-1.500 1.500z';
const KINDS: [CellKind, string][] = [
  ['code', 'Code'],
  ['markdown', 'Text'],
  ['raw', 'Raw']
];

/** What the notebook does for its cells; the same object as long as the notebook is shown. */
export interface ICellActions {
  run: (cell: Cell, then: AfterRun) => void;
  edit: (cell: Cell) => void;
  insertBelow: (cell: Cell) => void;
  move: (cell: Cell, step: -1 | 1) => void;
  change: (cell: Cell, kind: CellKind) => void;
  remove: (cell: Cell) => void;
  refused: (words: string) => void;
  ready: () => void;
}

export interface ICellProps {
  cell: Cell;
  index: number;
  count: number;
  /** Whether the keyboard comes here first. */
  active: boolean;
  /** Whether the source of a Markdown cell is shown, to be edited. */
  editing: boolean;
  /** The newest run of this cell, if there is one. */
  entry: IRunEntry | null;
  provider: Provider;
  runs: RunsModel;
  rights: IRunRights;
  typedAt: RefObject<number>;
  readOnly: boolean;
  language: IEditorLanguage;
  cspNonce: string;
  limitBytes: number;
  actions: ICellActions;
}

/** Draw again when something in a cell changes, other than its text; calmly, when it is output. */
function useCell(cell: Cell): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const drawing = new CalmDrawing(() => flushSync(redraw));
    const slot = (events: Y.YEvent<Y.AbstractType<unknown>>[]): void => {
      if (events.some(event => event.path[0] === 'outputs')) {
        drawing.ask();
      }
      if (events.some(event => event.path[0] !== 'outputs' && event.path[event.path.length - 1] !== 'source')) {
        redraw();
      }
    };
    cell.observeDeep(slot);
    redraw();
    return () => {
      cell.unobserveDeep(slot);
      drawing.dispose();
    };
  }, [cell]);
}

/** Whether a cell runs or waits to: as the cell says, which late joiners see too, or its newest run. */
export function isPending(cell: Cell, entry: IRunEntry | null): boolean {
  return cell.get('execution_state') === 'running' || (entry !== null && !isOver(entry.status));
}

const PLAIN = usual('text');
const MARKDOWN = usual('markdown');

export const CellView = memo(function CellView(props: ICellProps): JSX.Element {
  const { cell, index, actions, entry, editing, readOnly } = props;
  useCell(cell);
  const kind = kindOf(cell);
  const pending = kind === 'code' && isPending(cell, entry);
  const count = cell.get('execution_count') as number | null | undefined;
  const state = kind !== 'code' ? '' : pending ? ', running' : count ? `, has run as ${count}` : '';
  const rendered = kind === 'markdown' && !editing;
  return (
    <article
      className="cp-cell"
      data-testid="cell"
      data-cell={idOf(cell)}
      data-kind={kind}
      data-active={props.active}
      data-running={pending}
      tabIndex={props.active ? 0 : -1}
      aria-label={`Cell ${index + 1} of ${props.count}: ${KINDS.find(([one]) => one === kind)?.[1]}${state}`}
    >
      <div className="cp-cell-side">
        {kind === 'code' && (
          <>
            <span className="cp-prompt" data-testid="prompt" aria-hidden="true">{`[${pending ? '*' : (count ?? ' ')}]`}</span>
            <RunCell {...props} />
          </>
        )}
      </div>
      <div className="cp-cell-body">
        {rendered ? (
          <MarkdownView text={sourceOf(cell)} onEdit={readOnly ? null : () => actions.edit(cell)} />
        ) : (
          <TextEditor
            provider={props.provider}
            text={sourceOf(cell)}
            language={kind === 'code' ? props.language : kind === 'markdown' ? MARKDOWN : PLAIN}
            readOnly={readOnly}
            label={`${kind === 'code' ? 'Code' : 'Text'} of cell ${index + 1}`}
            limitBytes={props.limitBytes}
            cspNonce={props.cspNonce}
            inline
            onRefused={actions.refused}
            onRun={then => actions.run(cell, then)}
            onReady={actions.ready}
          />
        )}
        {kind === 'code' && <CellOutput {...props} pending={pending} />}
      </div>
      {!readOnly && <CellTools {...props} kind={kind} rendered={rendered} />}
    </article>
  );
});

function RunCell(props: ICellProps): JSX.Element {
  const { rights } = props;
  const why = rights.unavailable ?? (rights.mayRun ? 'Run this cell (Shift+Enter)' : (rights.paused ?? 'You are watching: you cannot run code.'));
  return (
    <button
      className="cp-button cp-icon-button"
      data-testid="run-cell"
      aria-label={`Run cell ${props.index + 1}`}
      title={why}
      disabled={!rights.mayRun || rights.unavailable !== null}
      onClick={() => props.actions.run(props.cell, 'stay')}
    >
      <Icon path={PLAY} />
    </button>
  );
}

function CellOutput(props: ICellProps & { pending: boolean }): JSX.Element | null {
  const { cell, entry, rights } = props;
  const outputs = cell.get('outputs');
  const shown = outputs instanceof Y.Array ? readOutputs(outputs) : [];
  const queued = entry?.status === 'queued' && entry.position > 0;
  if (shown.length === 0 && !entry) {
    return null;
  }
  return (
    <div className="cp-cell-output" data-testid="cell-output">
      {queued && <p className="cp-note">{statusWords(entry, rights.me)}</p>}
      {shown.map((output, i) => (
        <OutputView key={i} output={output} />
      ))}
      {entry && <RunEnd model={props.runs} run={entry} rights={rights} typedAt={props.typedAt} />}
      {entry && <AnsweredBy run={entry} />}
    </div>
  );
}

function CellTools(props: ICellProps & { kind: CellKind; rendered: boolean }): JSX.Element {
  const { cell, index, count, actions } = props;
  const number = index + 1;
  const tool = (testid: string, words: string, path: string, act: () => void, disabled = false): JSX.Element => (
    <button className="cp-button cp-icon-button cp-small" data-testid={testid} aria-label={`${words}: cell ${number}`} title={words} disabled={disabled} onClick={act}>
      <Icon path={path} />
    </button>
  );
  return (
    <div className="cp-cell-tools" role="group" aria-label={`Cell ${number}`}>
      {props.rendered && tool('edit-cell', 'Edit the text', PEN, () => actions.edit(cell))}
      <select
        className="cp-input cp-small"
        data-testid="cell-kind"
        aria-label={`Kind of cell ${number}`}
        value={props.kind}
        onChange={event => actions.change(cell, event.target.value as CellKind)}
      >
        {KINDS.map(([kind, words]) => (
          <option key={kind} value={kind}>
            {words}
          </option>
        ))}
      </select>
      {tool('move-up', 'Move up', UP, () => actions.move(cell, -1), index === 0)}
      {tool('move-down', 'Move down', DOWN, () => actions.move(cell, 1), number === count)}
      {tool('add-cell', 'Add a cell below', PLUS, () => actions.insertBelow(cell))}
      {tool('delete-cell', 'Delete', BIN, () => actions.remove(cell))}
    </div>
  );
}
