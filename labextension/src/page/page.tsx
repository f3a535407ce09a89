/** The room page: top bar, editor, output, people. */
import { type KeyboardEvent, lazy, Suspense, useEffect, useState } from 'react';
import { TextEditor } from '../editor/view';
import { KernelLine, RunControls, RunsView } from '../execution/view';
import { PeopleNews, PeopleView, TypingLine } from '../people/view';
import { useSignal } from '../react';
import { EndScreen } from './end';
import type { PageModel } from './model';
import { Splitter } from './splitter';
import { TopBar } from './topbar';

const NotebookView = lazy(() => import('../editor/notebook'));

type Tab = 'code' | 'output' | 'people';
const TABS: [Tab, string][] = [
  ['code', 'Code'],
  ['output', 'Output'],
  ['people', 'People']
];

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
  const [tab, setTab] = useState<Tab>('code');
  const [showPeople, setShowPeople] = useState(false);
  const { pad, room } = model;

  const icon = `${model.config.baseUrl}static/icon.svg`;
  if (model.left) {
    return <EndScreen icon={icon} title="You have left the room" words="You can come back by the link you were sent." back={model.ownLink()} />;
  }
  if (pad.end) {
    return <EndScreen icon={icon} code={pad.end.code} words={pad.end.reason} unsaved={pad.unsaved} text={model.padText()} />;
  }
  const rights = { mayRun: model.may('run'), unavailable: model.runUnavailable };
  const run = (): void => {
    if (rights.mayRun && !rights.unavailable) {
      setTab(current => (current === 'code' && window.innerWidth < 700 ? 'output' : current));
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
      {!model.may('edit') && pad.status !== 'offline' && (
        <div className="cp-banner cp-banner-quiet" data-testid="observer-note">
          You are watching. Only members can change or run the code.
        </div>
      )}
      <Tabs tabs={notebook ? TABS.filter(([id]) => id !== 'output') : TABS} tab={tab} onTab={setTab} />
      <main className="cp-main">
        <section className="cp-code" aria-label="Pad">
          <div className="cp-toolbar">
            <RunControls model={model.runs} rights={rights} onRun={notebook ? undefined : run} />
            <TypingLine model={model.people} />
          </div>
          {!pad.everSynced ? (
            <Loading />
          ) : notebook ? (
            <Suspense fallback={<Loading />}>
              {rights.unavailable && <p className="cp-warning">{rights.unavailable}</p>}
              <NotebookView
                provider={pad}
                runs={model.runs}
                rights={rights}
                readOnly={!model.may('edit')}
                cspNonce={model.config.cspNonce}
                limitBytes={model.config.limits.document_bytes}
                onRefused={words => model.tell(words)}
                onReady={markEditable}
              />
              <KernelLine model={model.runs} />
            </Suspense>
          ) : (
            <TextEditor
              provider={pad}
              text={pad.doc.getText('source')}
              language={room.language}
              readOnly={!model.may('edit')}
              label={`Code of ${room.title}`}
              limitBytes={model.config.limits.document_bytes}
              cspNonce={model.config.cspNonce}
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
          <PeopleView model={model.people} />
        </aside>
      </main>
      <PeopleNews model={model.people} />
      <Toast words={model.toast} />
    </div>
  );
}

function Tabs(props: { tabs: [Tab, string][]; tab: Tab; onTab: (tab: Tab) => void }): JSX.Element {
  const { tabs, tab, onTab } = props;
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

function Toast(props: { words: string }): JSX.Element {
  return (
    <div className="cp-toast" data-testid="toast" role="status" aria-live="polite" hidden={!props.words}>
      {props.words}
    </div>
  );
}

