/** The form for a new room. */
import { useState } from 'react';
import { unavailableWords } from '../languages';
import type { ILanguage, PadType } from '../types';
import type { INewRoom } from './model';

export type Source = 'starter' | 'file';

export interface INewRoomFormProps {
  languages: ILanguage[];
  sourcePath?: string;
  /** Lets the person choose a file; null when they change their mind. */
  pickFile: () => Promise<string | null>;
  /** Called at every change with what the form says now. */
  onChange: (wish: INewRoom) => void;
}

interface IFields {
  title: string;
  language: string;
  padType: PadType;
  source: Source;
  starter: string;
  path: string;
  hours: string;
  lobby: boolean;
  prepared: boolean;
}

/** The wish that the fields of the form amount to. */
export function wishOf(fields: IFields): INewRoom {
  const wish: INewRoom = {
    title: fields.title.trim(),
    pad_type: fields.padType,
    expires_in_hours: Number(fields.hours),
    lobby: fields.lobby,
    prepared: fields.prepared
  };
  if (fields.source === 'file' && fields.path) {
    wish.source_path = fields.path; // the file says in which language it is
    return wish;
  }
  wish.language = fields.language;
  if (fields.starter) {
    wish.starter_text = fields.starter;
  }
  return wish;
}

function nameOf(path: string): string {
  return path.split('/').pop()?.replace(/\.[^.]+$/, '') ?? '';
}

export function NewRoomForm(props: INewRoomFormProps): JSX.Element {
  const [fields, setFields] = useState<IFields>(() => {
    const first: IFields = {
      title: props.sourcePath ? nameOf(props.sourcePath) : '',
      language: (props.languages.find(one => one.available) ?? props.languages[0])?.id ?? 'python',
      padType: 'file',
      source: props.sourcePath ? 'file' : 'starter',
      starter: '',
      path: props.sourcePath ?? '',
      hours: '24',
      lobby: false,
      prepared: false
    };
    props.onChange(wishOf(first));
    return first;
  });
  const set = (change: Partial<IFields>): void => {
    const next = { ...fields, ...change };
    setFields(next);
    props.onChange(wishOf(next));
  };
  const language = props.languages.find(one => one.id === fields.language);
  const offered = props.languages.filter(one => fields.padType === 'file' || one.notebook);
  const setKind = (padType: PadType): void => {
    const fits = padType === 'file' || language?.notebook;
    const first = props.languages.find(one => one.notebook && one.available) ?? props.languages.find(one => one.notebook);
    set({ padType, language: fits ? fields.language : (first?.id ?? fields.language) });
  };
  return (
    <form className="cp-form" data-testid="new-room-form" onSubmit={event => event.preventDefault()}>
      <label htmlFor="cp-new-title">Title</label>
      <input id="cp-new-title" data-testid="new-room-title" className="jp-mod-styled" value={fields.title} maxLength={120} autoFocus placeholder="Interview with Ada" onChange={event => set({ title: event.target.value })} />
      <label htmlFor="cp-new-source">The pad starts</label>
      <select id="cp-new-source" data-testid="new-room-source" className="jp-mod-styled" value={fields.source} onChange={event => set({ source: event.target.value as Source })}>
        <option value="starter">with a text</option>
        <option value="file">as a copy of a notebook or file</option>
      </select>
      {fields.source === 'file' ? (
        <>
          <label htmlFor="cp-new-path">File</label>
          <span className="cp-form-row">
            <input id="cp-new-path" className="jp-mod-styled" value={fields.path} placeholder="folder/notebook.ipynb" onChange={event => set({ path: event.target.value })} />
            <button
              type="button"
              className="cp-button"
              onClick={() =>
                void props.pickFile().then(path => {
                  if (path) {
                    set({ path, title: fields.title || nameOf(path) });
                  }
                })
              }
            >
              Browse…
            </button>
          </span>
        </>
      ) : (
        <>
          <label htmlFor="cp-new-kind">Kind</label>
          <select id="cp-new-kind" data-testid="new-room-kind" className="jp-mod-styled" value={fields.padType} onChange={event => setKind(event.target.value as PadType)}>
            <option value="file">Code file: run as a whole</option>
            <option value="notebook" disabled={!props.languages.some(one => one.notebook)}>
              Notebook: run cell by cell
            </option>
          </select>
          <label htmlFor="cp-new-language">Language</label>
          <select
            id="cp-new-language"
            data-testid="new-room-language"
            className="jp-mod-styled"
            value={fields.language}
            aria-describedby={language && !language.available ? 'cp-new-language-words' : undefined}
            onChange={event => set({ language: event.target.value })}
          >
            {offered.map(one => (
              // Languages of one's own server can be prepared for: nothing is lost but that nothing runs.
              <option key={one.id} value={one.id}>
                {one.available ? one.name : `${one.name} (cannot be run here)`}
              </option>
            ))}
          </select>
          {language && !language.available && (
            <span id="cp-new-language-words" className="cp-muted" data-testid="new-room-missing">
              {`${language.name} cannot be run here: ${unavailableWords(language)}`}
            </span>
          )}
          <label htmlFor="cp-new-starter">Starter text</label>
          <textarea id="cp-new-starter" data-testid="new-room-starter" className="jp-mod-styled" rows={3} spellCheck={false} value={fields.starter} placeholder={language?.starter_text} onChange={event => set({ starter: event.target.value })} />
        </>
      )}
      <label htmlFor="cp-new-hours">Ends after (hours)</label>
      <input id="cp-new-hours" className="jp-mod-styled" type="number" min="0.1" step="any" value={fields.hours} onChange={event => set({ hours: event.target.value })} />
      <label className="cp-check">
        <input type="checkbox" data-testid="new-room-lobby" checked={fields.lobby} onChange={event => set({ lobby: event.target.checked })} />
        Newcomers wait in a lobby until they are admitted
      </label>
      <label className="cp-check">
        <input type="checkbox" data-testid="new-room-prepared" checked={fields.prepared} onChange={event => set({ prepared: event.target.checked })} />
        Not open yet: prepare it first
      </label>
    </form>
  );
}
