/** The choice between two versions of a document, and the note that it is still to be made. */
import { Modal } from '../popover';
import { useSignal } from '../react';
import { compare, type ConflictModel, type IConflict, type ILine, type Keep, name } from './conflict';

function words(conflict: IConflict): { lead: string; theirs: string } {
  const file = name(conflict.path);
  if (conflict.reason === 'old_client') {
    return {
      lead: `${conflict.who ?? 'Somebody'} came back with another text of ${file}, and the server no longer knew how it came about. Nothing is lost: choose what to keep.`,
      theirs: `What ${conflict.who ?? 'the other'} had`
    };
  }
  return {
    lead: `${file} was changed outside, while the same lines were changed here. Nothing is lost: choose what to keep. Until then the file is not written.`,
    theirs: 'The file on disk'
  };
}

const CHOICES: [Keep, string, string][] = [
  ['mine', 'Keep what is here', 'The document stays as it is, and is written to the file.'],
  ['theirs', 'Keep the other', 'The document becomes the other version.'],
  ['both', 'Keep both', 'All changes are brought together. Where both changed the same lines, the other version’s follow.']
];

function Side(props: { title: string; lines: ILine[]; testid: string }): JSX.Element {
  return (
    <section className="cp-version" aria-label={props.title}>
      <h3>{props.title}</h3>
      <pre data-testid={props.testid} tabIndex={0}>
        {props.lines.map((line, at) => (
          <span key={at} className={line.own ? 'cp-line cp-line-own' : 'cp-line'}>
            {line.text}
            {'\n'}
          </span>
        ))}
      </pre>
    </section>
  );
}

/** Both sides and the three ways on; the frame around it is the page's or JupyterLab's. */
export function ConflictChoice(props: { model: ConflictModel; conflict: IConflict }): JSX.Element {
  const { model, conflict } = props;
  useSignal(model.changed);
  const [mine, theirs] = compare(conflict.mine, conflict.theirs);
  const said = words(conflict);
  return (
    <div className="cp-conflict" data-testid="conflict" aria-busy={model.busy}>
      <p>{said.lead}</p>
      {conflict.truncated && <p className="cp-muted">Only the beginning is shown; all of it is kept.</p>}
      <div className="cp-versions">
        <Side title="Here, in the document" lines={mine} testid="conflict-mine" />
        <Side title={said.theirs} lines={theirs} testid="conflict-theirs" />
      </div>
      <div className="cp-choices">
        {CHOICES.map(([keep, label, effect]) => (
          <div key={keep} className="cp-choice">
            <button
              className="cp-button"
              data-testid={`keep-${keep}`}
              disabled={model.busy}
              aria-describedby={`keep-${keep}-effect`}
              onClick={() => void model.choose(keep)}
            >
              {model.busy ? 'One moment…' : label}
            </button>
            <span id={`keep-${keep}-effect`} className="cp-muted">
              {effect}
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** On the room page: the dialog, or the note once it was put off. */
export function ConflictNote(props: { model: ConflictModel }): JSX.Element | null {
  const { model } = props;
  useSignal(model.changed);
  const { conflict } = model;
  if (!conflict) {
    return null;
  }
  if (model.asking) {
    return (
      <Modal title={`Two versions of ${name(conflict.path)}`} testid="conflict-dialog" onClose={() => model.later()}>
        <ConflictChoice model={model} conflict={conflict} />
      </Modal>
    );
  }
  return (
    <div className="cp-banner" data-testid="conflict-note" role="status">
      {`There are two versions of ${name(conflict.path)}.`}
      <button className="cp-button cp-small" data-testid="conflict-again" onClick={() => model.again()}>
        Choose…
      </button>
    </div>
  );
}
