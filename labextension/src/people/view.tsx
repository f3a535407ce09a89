/** The list of people, their avatars, and who is typing. */
import { useSignal } from '../react';
import type { IParticipant } from '../types';
import { type PeopleModel, typingWords } from './model';

export function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ''];
  return letters.map(word => Array.from(word ?? '')[0] ?? '').join('').toUpperCase();
}

export function Avatar(props: { person: IParticipant }): JSX.Element {
  return (
    <span className="cp-avatar" style={{ backgroundColor: props.person.color }} title={props.person.name} aria-hidden="true">
      {initials(props.person.name)}
    </span>
  );
}

export function PersonView(props: { person: IParticipant }): JSX.Element {
  const { person } = props;
  return (
    <li className="cp-person" data-testid="person" data-name={person.name} data-online={person.online}>
      <Avatar person={person} />
      <span className="cp-person-name">
        {person.name}
        {person.you && <span className="cp-muted"> (you)</span>}
      </span>
      <span className="cp-tag">{person.role}</span>
      {person.guest && <span className="cp-tag cp-tag-guest">guest</span>}
    </li>
  );
}

export function PeopleView(props: { model: PeopleModel }): JSX.Element {
  const { model } = props;
  useSignal(model.changed);
  return (
    <section className="cp-people" data-testid="people" aria-label="People">
      <h2>{`Here now (${model.here.length})`}</h2>
      <ul>
        {model.here.map(person => (
          <PersonView key={person.id} person={person} />
        ))}
      </ul>
      {model.away.length > 0 && (
        <>
          <h2>Were here</h2>
          <ul className="cp-away">
            {model.away.map(person => (
              <PersonView key={person.id} person={person} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

export function TypingLine(props: { model: PeopleModel }): JSX.Element {
  useSignal(props.model.changed);
  return (
    <div className="cp-typing" data-testid="typing" aria-live="off">
      {typingWords(props.model.typing)}
    </div>
  );
}
