/** The output panel: the runs of a room, and the buttons to run, stop and restart. */
import { memo, type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Icon } from '../icon';
import { useSignal, useSignalCalmly } from '../react';
import type { RunStatus } from '../types';
import { isOver, type IRunEntry, type KernelStatus, type RunsModel } from './model';
import { OutputView } from './output';
import { AskedNews, InputField, useTypedAt } from './stdin';

const STATUS_WORDS: Record<RunStatus, string> = {
  queued: 'waiting',
  running: 'running…',
  ok: 'done',
  error: 'error',
  interrupted: 'stopped',
  dead: 'failed'
};

const KERNEL_WORDS: Record<KernelStatus, string> = {
  off: 'Not started',
  starting: 'Starting…',
  idle: 'Ready',
  busy: 'Running',
  dead: 'Ended',
  unavailable: 'Off'
};

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** A duration as people read it. */
export function durationWords(ms: number): string {
  if (ms < 1000) {
    return `${Math.round(ms)} ms`;
  }
  if (ms < 60_000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export interface IRunRights {
  mayRun: boolean;
  /** Why nothing can be run by anybody, or null. */
  unavailable: string | null;
  /** Why this person cannot run although others can, if there is more to say than that they watch. */
  paused?: string | null;
  /** Who this person is, by the id of the participant. */
  me?: string | null;
}

export function RunControls(props: { model: RunsModel; rights: IRunRights; onRun?: () => void; children?: ReactNode }): JSX.Element {
  const { model, rights } = props;
  useSignal(model.changed);
  const running = model.current !== null;
  const off = !rights.mayRun || rights.unavailable !== null;
  const why = rights.unavailable ?? (rights.mayRun ? '' : (rights.paused ?? 'You are watching: you cannot run code.'));
  return (
    <div className="cp-controls" role="group" aria-label="Run">
      {props.onRun && (
        <button className="cp-button cp-primary" data-testid="run" disabled={off} aria-busy={model.asking} title={why || 'Run (Shift+Enter)'} onClick={props.onRun}>
          <Icon path="M6 4v16l14-8z" /> Run
        </button>
      )}
      {props.children}
      {/* Not disabled when there is nothing to stop: who has pressed it would lose their place. */}
      <button className="cp-button" data-testid="stop" disabled={off} aria-disabled={!running} aria-label="Stop" title={why || 'Stop: interrupt the code'} onClick={() => void model.stop()}>
        <Icon path="M6 6h12v12H6z" /> <span className="cp-wide">Stop</span>
      </button>
      <button className="cp-button" data-testid="restart" disabled={off} aria-label="Restart" title={why || 'Restart: start afresh, all variables are forgotten'} onClick={() => void model.restart()}>
        <Icon path="M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z" /> <span className="cp-wide">Restart</span>
      </button>
    </div>
  );
}

/** When a run began and how long it took, or how long it has been running. */
function RunTime(props: { run: IRunEntry }): JSX.Element {
  const { run } = props;
  const running = run.status === 'running';
  // The server's clock may differ from this one: a run is timed from when it was first seen here.
  const seen = useRef(Date.now());
  const [now, setNow] = useState(seen.current);
  useEffect(() => {
    if (!running) {
      return;
    }
    seen.current = Date.now();
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  const began = run.startedAt ?? run.queuedAt;
  const seconds = Math.floor((now - seen.current) / 1000);
  const took = run.durationMs !== null ? durationWords(run.durationMs) : '';
  return (
    <span className="cp-muted cp-run-time">
      {running && seconds > 0 ? durationWords(seconds * 1000) : took}
      {began && <time dateTime={began}>{TIME.format(new Date(began))}</time>}
    </span>
  );
}

/** How a run stands, in words: `me` is told of "you". */
export function statusWords(run: IRunEntry, me: string | null = null): string {
  if (run.status === 'running' && run.input) {
    return 'waits for input';
  }
  if (run.status === 'running' && run.compiling) {
    return 'compiling…';
  }
  if (run.status === 'queued' && run.position > 0) {
    return `waiting: ${run.position} before ${me !== null && me === run.participantId ? 'you' : 'it'}`;
  }
  return STATUS_WORDS[run.status];
}

export interface IRunPartProps {
  model: RunsModel;
  run: IRunEntry;
  rights: IRunRights;
  typedAt: RefObject<number>;
}

/** What is below the output of a run, beside a pad as in a cell: what it asks, and how it ended. */
export function RunEnd(props: IRunPartProps): JSX.Element {
  const { model, run } = props;
  const url = model.outputUrl(run.id);
  return (
    <>
      {run.truncated && (
        <p className="cp-note cp-run-message" data-testid="truncated">
          The output was too long: what came after this is not kept.{' '}
          {url && (
            <a className="cp-run-link" href={url} download={`output-${run.id}.txt`}>
              Download what is kept
            </a>
          )}
        </p>
      )}
      {run.message && (
        <p className="cp-note cp-run-message" data-testid="run-message">
          {run.message}
        </p>
      )}
      {run.files && (
        <p className="cp-note cp-run-message cp-run-files" data-testid="run-files">
          {run.files}
        </p>
      )}
      {run.input && <InputField {...props} />}
    </>
  );
}

const RunEntryView = memo(function RunEntryView(props: IRunPartProps): JSX.Element {
  const { run, rights } = props;
  const plain = run.outputs.length === 0 && !run.message && !run.files && !run.cellId;
  return (
    <article className="cp-run" data-testid="run-entry" data-status={run.status} aria-label={`Run by ${run.name}`}>
      <header className="cp-run-head">
        <span className="cp-dot" style={{ backgroundColor: run.color }} aria-hidden="true" />
        <span className="cp-run-name">{run.name}</span>
        {run.main && <span className="cp-muted cp-run-main">{run.main}</span>}
        <span className={`cp-run-status cp-run-${run.status}`}>{statusWords(run, rights.me)}</span>
        {run.answeredBy && <span className="cp-muted cp-run-answered" data-testid="answered-by">{`answered by ${run.answeredBy}`}</span>}
        <RunTime run={run} />
      </header>
      {run.outputs.map((output, i) => (
        <OutputView key={i} output={output} />
      ))}
      <RunEnd {...props} />
      {isOver(run.status) && plain && <p className="cp-note">No output.</p>}
    </article>
  );
});

export function KernelLine(props: { model: RunsModel; rights: IRunRights }): JSX.Element {
  useSignal(props.model.changed);
  const { status: stands, message } = props.model.kernel;
  const status = stands === 'off' && props.rights.unavailable !== null ? 'unavailable' : stands;
  return (
    <footer className="cp-kernel" data-testid="kernel" data-status={status}>
      <span className={`cp-dot cp-kernel-${status}`} aria-hidden="true" />
      <span className="cp-kernel-status">{`Kernel: ${KERNEL_WORDS[status] ?? status}`}</span>
      {message && (
        <span className="cp-muted cp-kernel-words" title={message}>
          {message}
        </span>
      )}
    </footer>
  );
}

export function RunsView(props: { model: RunsModel; rights: IRunRights; notebook?: boolean }): JSX.Element {
  const { model, rights } = props;
  useSignalCalmly(model.changed);
  useSignal(model.urgent);
  const runs = model.runs;
  const list = useRef<HTMLDivElement>(null);
  const typedAt = useTypedAt();
  const pinned = useRef(true);

  // Before the page is painted, or it would be painted twice.
  useLayoutEffect(() => {
    if (pinned.current && list.current) {
      list.current.scrollTop = list.current.scrollHeight;
    }
  });
  // Where one part of the room is seen at a time, output has come while this was hidden.
  useEffect(() => {
    const box = list.current as HTMLElement;
    const sizes = new ResizeObserver(() => {
      if (pinned.current) {
        box.scrollTop = box.scrollHeight;
      }
    });
    sizes.observe(box);
    return () => sizes.disconnect();
  }, []);

  return (
    <section className="cp-output" data-testid="output" aria-label="Output">
      <div
        className="cp-run-list"
        ref={list}
        tabIndex={0}
        role="log"
        aria-label="Runs"
        aria-live="off"
        onScroll={event => {
          const box = event.currentTarget;
          pinned.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
        }}
      >
        {rights.unavailable && (
          <p className="cp-empty cp-warning" data-testid="run-unavailable">
            {rights.unavailable}
          </p>
        )}
        {runs.length === 0 && !rights.unavailable && (
          <p className="cp-empty">
            {rights.mayRun && !props.notebook
              ? 'Nothing has been run yet. Press Run.'
              : 'Nothing has been run yet.'}
          </p>
        )}
        {runs.map(run => (
          <RunEntryView key={run.id} model={model} run={run} rights={rights} typedAt={typedAt} />
        ))}
      </div>
      <KernelLine model={model} rights={rights} />
      <RunNews model={model} />
      <AskedNews model={model} />
    </section>
  );
}

/** How runs have ended, for those who do not see it: those that failed, and the last of several. */
export function RunNews(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  const { provider } = model;
  useSignal(model.changed);
  useSignal(provider.syncedOnce);
  const told = useRef<ReadonlySet<string> | null>(null);
  const [said, setSaid] = useState({ count: 0, words: '' });
  useEffect(() => {
    const over = model.runs.filter(run => isOver(run.status));
    const before = told.current;
    told.current = provider.everSynced ? new Set(over.map(run => run.id)) : null;
    const fresh = before ? over.filter(run => !before.has(run.id) && (run.status !== 'ok' || model.current === null)) : [];
    if (fresh.length > 0) {
      const words = fresh.map(run => `Run by ${run.name}: ${[`${STATUS_WORDS[run.status]}.`, run.message, run.files].filter(Boolean).join(' ')}`).join(' ');
      setSaid({ count: said.count + 1, words });
    }
  });
  return (
    <div className="cp-visually-hidden" aria-live="polite" data-testid="run-news">
      {/* Another element each time, or the same words would not be read again. */}
      <span key={said.count}>{said.words}</span>
    </div>
  );
}
