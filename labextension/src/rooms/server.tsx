/** What this server does for rooms: in which sandbox their code runs, and in which languages. */
import { useEffect, useState } from 'react';
import { wordsOf } from '../api';
import type { ILanguage, ISandbox } from '../types';
import type { RoomsModel } from './model';

/** One line that says whether code runs here, and how well it is kept in. */
export function sandboxWords(sandbox: ISandbox): string {
  if (sandbox.available) {
    return `Code runs in a sandbox: ${sandbox.name}`;
  }
  return sandbox.running_allowed ? 'Code runs without a sandbox' : 'Code is not run here';
}

function Points(props: { title: string; points: string[] | undefined; kind: string }): JSX.Element | null {
  if (!props.points?.length) {
    return null;
  }
  return (
    <>
      <h4>{props.title}</h4>
      <ul className={`cp-points cp-points-${props.kind}`}>
        {props.points.map(point => (
          <li key={point}>{point}</li>
        ))}
      </ul>
    </>
  );
}

function Sandbox(props: { sandbox: ISandbox }): JSX.Element {
  const { sandbox } = props;
  return (
    <>
      {!sandbox.available && sandbox.reason && <p className="cp-warning">{sandbox.reason}</p>}
      <Points title="It promises" points={sandbox.promises} kind="good" />
      <Points title="It cannot promise" points={sandbox.gaps} kind="gap" />
      <Points title="Better ones do not work here" points={sandbox.weaker?.map(one => `${one.name}: ${one.reason}`)} kind="gap" />
    </>
  );
}

function Languages(props: { model: RoomsModel }): JSX.Element {
  const [languages, setLanguages] = useState<ILanguage[] | null>(null);
  const [error, setError] = useState('');
  useEffect(() => {
    props.model.languages().then(setLanguages, problem => setError(wordsOf(problem)));
  }, [props.model]);
  if (error) {
    return <p role="alert">{error}</p>;
  }
  if (!languages) {
    return <p className="cp-muted">Looking for languages…</p>;
  }
  const here = languages.filter(language => language.available);
  const missing = languages.filter(language => !language.available);
  return (
    <>
      <h4>{here.length === 1 ? '1 language' : `${here.length} languages`}</h4>
      <ul className="cp-languages" data-testid="languages-here">
        {here.map(({ id, name, version }) => (
          <li key={id} className="cp-tag">
            {name}
            {version && <span className="cp-muted"> {version}</span>}
          </li>
        ))}
      </ul>
      {missing.length > 0 && (
        <details data-testid="languages-missing">
          <summary>{`${missing.length} more can be installed`}</summary>
          <dl className="cp-missing">
            {missing.map(({ id, name, missing: words }) => (
              <div key={id}>
                <dt>{name}</dt>
                <dd>{words || 'not on this server'}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </>
  );
}

export function ServerSection(props: { model: RoomsModel }): JSX.Element | null {
  const { model } = props;
  const [open, setOpen] = useState(false);
  const { sandbox } = model;
  if (!sandbox) {
    return null;
  }
  const state = sandbox.available ? 'good' : sandbox.running_allowed ? 'bad' : 'off';
  return (
    <details className="cp-server" data-testid="this-server" data-state={state} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        <span className={`cp-dot cp-server-${state}`} aria-hidden="true" />
        <span className="cp-server-name">This server</span>
        <span className="cp-muted">{sandboxWords(sandbox)}</span>
      </summary>
      {open && (
        <div className="cp-server-body">
          <Sandbox sandbox={sandbox} />
          <Languages model={model} />
        </div>
      )}
    </details>
  );
}
