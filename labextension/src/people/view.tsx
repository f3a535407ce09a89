/** The list of people, their avatars, and who is typing. */
import { useEffect, useState } from 'react';
import { useSignal } from '../react';
import type { IParticipant } from '../types';
import { type PeopleModel, typingWords } from './model';

export function initials(name: string): string {
  const words = name.split(/\s+/).filter(word => word && !word.startsWith('('));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ''];
  return letters.map(word => Array.from(word ?? '')[0] ?? '').join('').toUpperCase();
}

export function Avatar(props: { person: IParticipant }): JSX.Element {
  return (
    <span
      className="cp-avatar"
      style={{ backgroundColor: props.person.color }}
      title={props.person.name}
      data-initials={initials(props.person.name)}
      aria-hidden="true"
    />
  );
}

export function PersonView(props: { person: IParticipant }): JSX.Element {
  const { person } = props;
  return (
    <li className="cp-person" data-testid="person" data-name={person.name} data-online={person.online}>
      <Avatar person={person} />
      <span className="cp-person-words">
        <span className="cp-person-name" title={person.name}>
          {person.name}
          {person.you && <span className="cp-muted"> (you)</span>}
        </span>
        <span className="cp-person-role cp-muted">
          {person.role}
          {person.guest && ', guest'}
        </span>
      </span>
      <span className="cp-dot cp-presence" data-online={person.online} title={person.online ? 'here' : 'away'} aria-hidden="true" />
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

/** Tells screen readers who comes and goes. */
export function PeopleNews(props: { model: PeopleModel }): JSX.Element {
  const { model } = props;
  const [words, setWords] = useState('');
  useEffect(() => {
    let known: Map<string, string> | null = null;
    const slot = (): void => {
      const here = new Map(model.here.map(person => [person.id, person.name]));
      if (known) {
        const came = [...here].filter(([id]) => !known?.has(id)).map(([, name]) => `${name} joined.`);
        const left = [...known].filter(([id]) => !here.has(id)).map(([, name]) => `${name} left.`);
        if (came.length || left.length) {
          setWords([...came, ...left].join(' '));
        }
      }
      known = here.size ? here : known;
    };
    slot();
    model.changed.connect(slot);
    return () => void model.changed.disconnect(slot);
  }, [model]);
  return (
    <div className="cp-visually-hidden" aria-live="polite">
      {words}
    </div>
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
