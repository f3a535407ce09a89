/** The room page: top bar, editor, output, people. */
import { type KeyboardEvent, lazy, Suspense, useEffect, useMemo, useReducer, useState } from 'react';
import { TextEditor } from '../editor/view';
import { StdinBox, StdinButton } from '../execution/stdin';
import { KernelLine, RunControls, RunsView } from '../execution/view';
import { PeopleNews, PeoplePanel, TypingLine } from '../people/view';
import { useSignal } from '../react';
import { hoursUntil } from '../rooms/control';
import { ConflictNote } from '../sync/conflict_view';
import { EndScreen } from './end';
import { MainFileMenu } from './main_file';
import type { PageModel } from './model';
import { Splitter } from './splitter';
import { type ITimeWarning, spokenWords, timeWarning } from './time';
import { TopBar } from './topbar';

const NotebookView = lazy(() => import('../editor/notebook'));

type Tab = 'code' | 'output' | 'people';
const TABS: [Tab, string][] = [
  ['code', 'Code'],
  ['output', 'Output'],
  ['people', 'People']
];

/** Whether one part of the room is shown at a time; the same width as in page.css. */
function narrow(): boolean {
  return window.innerWidth < 700;
}

function markEditable(): void {
  if (!document.documentElement.dataset['codepadEditable']) {
    performance.mark('codepad-editable');
    document.documentElement.dataset['codepadEditable'] = 'true';
  }
}

export function Page(props: { model: PageModel }): JSX.Element {
  const { model } = props;
  useSignal(model.changed);
  useSignal(model.pad.syncedOnce);
  useSignal(model.people.changed);
  const [tab, setTab] = useState<Tab>('code');
  const [showPeople, setShowPeople] = useState(false);
  const [showStdin, setShowStdin] = useState(false);
  useSignal(model.languages.changed);
  const { pad, room } = model;
  const mayRun = model.may('run');
  const { runUnavailable: unavailable, runPausedWords: paused } = model;
  const me = room.me?.id ?? null;
  const { languages } = model.languages;
  const language = useMemo(() => model.languages.editor(room.language), [languages, room.language]);
  // The same object until something changes, or every output would be looked at again.
  const rights = useMemo(() => ({ mayRun, unavailable, paused, me }), [mayRun, unavailable, paused, me]);
  useEffect(() => {
    const { follow } = model;
    const show = (): void => {
      if (follow.target && narrow()) {
        setTab('code'); // that is where one sees what they see
      }
    };
    const stop = (event: globalThis.KeyboardEvent): void => {
      if (event.key === 'Escape') {
        follow.follow(null);
      }
    };
    follow.targetChanged.connect(show);
    document.addEventListener('keydown', stop);
    return () => {
      follow.targetChanged.disconnect(show);
      document.removeEventListener('keydown', stop);
    };
  }, [model]);

  const icon = `${model.config.baseUrl}static/icon.svg`;
  if (model.left) {
    return <EndScreen icon={icon} title="You have left the room" words="You can come back by the link you were sent." back={model.ownLink()} />;
  }
  if (pad.end) {
    return <EndScreen icon={icon} code={pad.end.code} words={pad.end.reason} unsaved={pad.unsaved} text={model.padText()} />;
  }
  if (model.refusedText !== null) {
    return (
      <EndScreen
        icon={icon}
        title="Your last keystrokes were not taken"
        words={`${model.watchingWords ?? 'Editing was paused while you typed.'} Copy what you need from the text as you saw it, then go back into the room.`}
        text={model.refusedText}
        again
      />
    );
  }
  const run = (): void => {
    if (rights.mayRun && !rights.unavailable) {
      setTab(current => (current === 'code' && narrow() ? 'output' : current));
      void model.run();
    }
  };
  const notebook = room.pad_type === 'notebook';
  return (
    <div className="cp-page" data-pad={room.pad_type} data-tab={tab} data-people={showPeople}>
      <TopBar model={model} showPeople={showPeople} togglePeople={() => setShowPeople(!showPeople)} />
      {pad.status === 'offline' && (
        <div className="cp-banner" data-testid="banner" role="alert">
          The connection is lost. You can go on typing: your changes are kept in this tab and sent when the server is back.
        </div>
      )}
      {model.watchingWords && pad.status !== 'offline' && (
        <div className="cp-banner cp-banner-quiet" data-testid="observer-note" role="status">
          {model.watchingWords}
        </div>
      )}
      {model.runPausedWords && !model.watchingWords && pad.status !== 'offline' && (
        <div className="cp-banner cp-banner-quiet" data-testid="run-note" role="status">
          {model.runPausedWords}
        </div>
      )}
      <ConflictNote model={model.conflict} />
      <TimeBanner model={model} />
      <FollowBar model={model} />
      <Tabs tabs={notebook ? TABS.filter(([id]) => id !== 'output') : TABS} tab={tab} model={model} onTab={setTab} />
      <main className="cp-main">
        <section className="cp-code" aria-label="Pad">
          {notebook ? null : (
            <>
              <div className="cp-toolbar">
                <RunControls model={model.runs} rights={rights} onRun={run}>
                  <MainFileMenu model={model} />
                  {mayRun && <StdinButton open={showStdin} text={model.stdin} onToggle={() => setShowStdin(!showStdin)} />}
                </RunControls>
                <TypingLine model={model.people} />
              </div>
              {showStdin && mayRun && <StdinBox text={model.stdin} onChange={text => (model.stdin = text)} />}
            </>
          )}
          {!pad.everSynced ? (
            <Loading />
          ) : notebook ? (
            <Suspense fallback={<Loading />}>
              <NotebookView
                provider={pad}
                runs={model.runs}
                rights={rights}
                language={language}
                typing={<TypingLine model={model.people} />}
                onRunCells={ids => void model.runCells(ids)}
                onTell={(words, action) => model.tell(words, action)}
                readOnly={!model.may('edit')}
                cspNonce={model.config.cspNonce}
                limitBytes={model.config.limits.document_bytes}
                follow={model.follow}
                onRefused={words => model.tell(words)}
                onReady={markEditable}
              />
              <KernelLine model={model.runs} rights={rights} />
            </Suspense>
          ) : (
            <TextEditor
              provider={pad}
              text={pad.doc.getText('source')}
              language={language}
              readOnly={!model.may('edit')}
              label={`Code of ${room.title}`}
              limitBytes={model.config.limits.document_bytes}
              cspNonce={model.config.cspNonce}
              follow={model.follow}
              onRefused={words => model.tell(words)}
              onRun={run}
              onReady={markEditable}
            />
          )}
        </section>
        {!notebook && (
          <>
            <Splitter />
            <RunsView model={model.runs} rights={rights} />
          </>
        )}
        <aside className="cp-side" tabIndex={0} aria-label="People in the room">
          <PeopleSide model={model} />
        </aside>
      </main>
      <PeopleNews model={model.people} />
      <Toast model={model} />
    </div>
  );
}

function PeopleSide(props: { model: PageModel }): JSX.Element {
  const { model } = props;
  useSignal(model.follow.changed);
  const { people, room, control, follow } = model;
  return <PeoplePanel people={[...people.here, ...people.away]} waiting={people.waiting} room={room} control={control} follow={follow} />;
}

function FollowBar(props: { model: PageModel }): JSX.Element | null {
  const { follow } = props.model;
  useSignal(follow.changed);
  const { followers, targetName } = follow;
  if (!targetName && followers.length === 0) {
    return null;
  }
  const others = followers.length > 3 ? `${followers.length} people follow` : `${followers.join(', ')} ${followers.length === 1 ? 'follows' : 'follow'}`;
  return (
    <div className="cp-banner cp-banner-quiet cp-follow" role="status">
      {targetName && (
        <span data-testid="following-bar">
          {`You follow ${targetName}. `}
          <button className="cp-button cp-small" data-testid="stop-following" onClick={() => follow.follow(null)}>
            Stop
          </button>
        </span>
      )}
      {followers.length > 0 && <span data-testid="followers">{`${others} you.`}</span>}
    </div>
  );
}

function TimeBanner(props: { model: PageModel }): JSX.Element | null {
  const { room, control } = props.model;
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, []);
  const warning = timeWarning(room.expires_at, control.now());
  const manage = room.permissions.includes('manage');
  return (
    <>
      {/* There before its words, or they are not read aloud; and not written anew at every second. */}
      <div className="cp-visually-hidden" aria-live="polite" data-testid="time-spoken">
        {spokenWords(warning)}
      </div>
      {warning && <TimeWarning warning={warning} onMore={manage ? () => void control.room({ expires_in_hours: hoursUntil(room, 0.5, control.now()) }) : undefined} />}
    </>
  );
}

function TimeWarning(props: { warning: ITimeWarning; onMore?: () => void }): JSX.Element {
  const { warning, onMore } = props;
  return (
    <div className={`cp-banner cp-time cp-time-${warning.level}`} data-testid="time-warning" data-level={warning.level}>
      <span role="timer" aria-live="off">
        {warning.words}
      </span>
      {onMore && (
        <button className="cp-button cp-small" data-testid="time-more" onClick={onMore}>
          +30 min
        </button>
      )}
    </div>
  );
}

function Tabs(props: { tabs: [Tab, string][]; tab: Tab; model: PageModel; onTab: (tab: Tab) => void }): JSX.Element {
  const { tabs, tab, onTab } = props;
  const { people, runs } = props.model;
  useSignal(runs.changed);
  const waiting = people.waiting.length;
  const asks = tab !== 'output' && runs.runs.some(run => run.input);
  const move = (event: KeyboardEvent<HTMLElement>): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const index = (tabs.findIndex(([id]) => id === tab) + step + tabs.length) % tabs.length;
    const next = tabs[index];
    if (step && next) {
      onTab(next[0]);
      (event.currentTarget.children[index] as HTMLElement).focus();
    }
  };
  return (
    <nav className="cp-tabs" aria-label="Parts of the room">
      <div className="cp-tab-list" role="tablist" aria-label="Parts of the room" onKeyDown={move}>
        {tabs.map(([id, words]) => (
          <button key={id} role="tab" className="cp-tab" tabIndex={tab === id ? 0 : -1} aria-selected={tab === id} data-testid={`tab-${id}`} onClick={() => onTab(id)}>
            {words}
            {id === 'output' && asks && <span className="cp-count" data-testid="tab-asks" role="img" aria-label="The program asks for input" data-count="?" />}
            {id === 'people' && waiting > 0 && (
              <span className="cp-count" data-testid="tab-lobby-count" role="img" aria-label={`${waiting} in the lobby`} data-count={waiting} />
            )}
          </button>
        ))}
      </div>
    </nav>
  );
}

function Loading(): JSX.Element {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 1000);
    return () => clearTimeout(timer);
  }, []);
  return <div className="cp-loading">{slow && <p role="status">Loading the pad…</p>}</div>;
}

function Toast(props: { model: PageModel }): JSX.Element {
  const { toast, toastAction } = props.model;
  return (
    // The region is always there: one that comes together with its words is not read aloud.
    <div role="status" aria-live="polite">
      {toast && (
        <div className="cp-toast" data-testid="toast">
          {toast}
          {toastAction && (
            <button
              className="cp-button cp-small"
              data-testid="toast-action"
              onClick={() => {
                props.model.forgetToast();
                toastAction.act();
              }}
            >
              {toastAction.label}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
