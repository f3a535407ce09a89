/** The list of people, their avatars, and who is typing. */
import { type ReactNode, useEffect, useReducer, useState } from 'react';
import { Icon } from '../icon';
import { usePopover } from '../popover';
import { useSignal } from '../react';
import type { RoomControl } from '../rooms/control';
import type { IParticipant, IRoom, IWaiting, Role } from '../types';
import type { FollowModel } from './follow';
import { type PeopleModel, typingWords } from './model';
import { capital, COLORS, ROLE_WORDS, ROLES } from './roles';

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

/** How long ago something was, in few words. */
export function since(moment: string | null, now: number): string {
  const minutes = moment ? Math.floor((now - Date.parse(moment)) / 60_000) : 0;
  if (minutes < 1) {
    return 'just now';
  }
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const FRESH_MS = 30_000;

function presenceWords(person: IParticipant, now: number): string {
  if (!person.online) {
    return 'away';
  }
  const time = since(person.online_since, now);
  const here = time === 'just now' ? 'just came' : `here for ${time}`;
  const place = person.document === 'runs' ? ', at the output' : '';
  return `${person.idle ? 'idle, ' : ''}${here}${place}`;
}

const HAND = 'M13 1.500a1.500 1.500 0 0 0-3 0V10H9V3.500a1.500 1.500 0 0 0-3 0v10l-2-2.300A1.700 1.700 0 0 0 1.400 13.400L6.500 20.500A6 6 0 0 0 11.400 23H13a6 6 0 0 0 6-6V5.500a1.500 1.500 0 0 0-3 0V10h-1V2.500a1.500 1.500 0 0 0-2-1z';
const DOTS = 'M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zm0 2a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm0 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z';

/** `now`: the server's time, in milliseconds. */
export function PersonView(props: { person: IParticipant; now: number; children?: ReactNode }): JSX.Element {
  const { person } = props;
  const words = presenceWords(person, props.now);
  return (
    <li className="cp-person" data-testid="person" data-name={person.name} data-online={person.online} data-role={person.role} data-idle={person.idle}>
      <Avatar person={person} />
      <span className="cp-person-words">
        <span className="cp-person-name" title={person.name}>
          {person.name}
          {person.you && <span className="cp-muted"> (you)</span>}
        </span>
        <span className="cp-person-role cp-muted">
          {person.owner ? 'host, owner' : person.role}
          {person.guest && <span className="cp-guest-mark">guest</span>}
          <span>{words}</span>
        </span>
      </span>
      {person.hand_raised_at && (
        <span className="cp-hand" data-testid="hand" role="img" aria-label={`${person.name} has raised a hand`} title="has raised a hand">
          <Icon path={HAND} />
        </span>
      )}
      {props.children}
      <span className="cp-dot cp-presence" data-online={person.online} data-idle={person.idle} title={words} aria-hidden="true" />
    </li>
  );
}

export interface IPeoplePanelProps {
  people: IParticipant[];
  waiting: IWaiting[];
  room: IRoom;
  control: RoomControl;
  /** Where there is an editor that can follow somebody. */
  follow?: FollowModel;
}

export function PeoplePanel(props: IPeoplePanelProps): JSX.Element {
  const { people, waiting, room, control } = props;
  const [, refresh] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(refresh, FRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const here = people.filter(person => person.online);
  const away = people.filter(person => !person.online);
  const me = people.find(person => person.you);
  const hands = here.filter(person => person.hand_raised_at);
  const order = [...hands, ...here.filter(person => !person.hand_raised_at)];
  return (
    <section className="cp-people" data-testid="people" aria-label="People">
      {room.permissions.includes('invite') && waiting.length > 0 && <LobbyView waiting={waiting} control={control} />}
      <h2>{`Here now (${here.length})`}</h2>
      <ul>
        {order.map(person => (
          <PersonRow key={person.id} person={person} {...props} />
        ))}
      </ul>
      {me?.online && <OwnControls me={me} control={control} />}
      {away.length > 0 && (
        <>
          <h2>Were here</h2>
          <ul className="cp-away">
            {away.map(person => (
              <PersonRow key={person.id} person={person} {...props} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function LobbyView(props: { waiting: IWaiting[]; control: RoomControl }): JSX.Element {
  const { waiting, control } = props;
  return (
    <section className="cp-lobby" data-testid="lobby" aria-label="Lobby">
      <h2>{`In the lobby (${waiting.length})`}</h2>
      <ul>
        {waiting.map(person => (
          <li key={person.id} className="cp-waiting" data-testid="waiting" data-name={person.name}>
            <span className="cp-waiting-words">
              <strong>{person.name}</strong> wants to join as {person.role}
              {!person.online && <span className="cp-muted"> (closed the page)</span>}
            </span>
            <span className="cp-waiting-actions">
              <button className="cp-button cp-primary" data-testid="admit" aria-label={`Admit ${person.name}`} onClick={() => void control.admit(person.id)}>
                Admit
              </button>
              <button className="cp-button" data-testid="deny" aria-label={`Deny ${person.name}`} onClick={() => void control.deny(person.id)}>
                Deny
              </button>
            </span>
          </li>
        ))}
      </ul>
      {waiting.length > 1 && (
        <button className="cp-button" data-testid="admit-all" onClick={() => void control.admitAll()}>
          {`Admit all ${waiting.length}`}
        </button>
      )}
    </section>
  );
}

function OwnControls(props: { me: IParticipant; control: RoomControl }): JSX.Element {
  const { me, control } = props;
  const [name, setName] = useState<string | null>(null);
  const raised = me.hand_raised_at !== null;
  if (name !== null) {
    return (
      <form
        className="cp-own"
        onSubmit={event => {
          event.preventDefault();
          void control.me({ name }).then(done => done && setName(null));
        }}
      >
        <input className="cp-input" data-testid="own-name" aria-label="Your name" value={name} maxLength={40} autoFocus onChange={event => setName(event.target.value)} />
        <button className="cp-button cp-primary" data-testid="own-name-save">Save</button>
        <button type="button" className="cp-button" onClick={() => setName(null)}>Cancel</button>
        <fieldset className="cp-colors" aria-label="Your colour">
          {COLORS.map(([color, word]) => (
            <button
              key={color}
              type="button"
              className="cp-color"
              data-testid={`color-${word}`}
              style={{ backgroundColor: color }}
              aria-label={word}
              title={word}
              aria-pressed={me.color === color}
              onClick={() => void control.me({ color })}
            />
          ))}
        </fieldset>
      </form>
    );
  }
  return (
    <div className="cp-own">
      <button className="cp-button" data-testid="raise-hand" aria-pressed={raised} onClick={() => void control.me({ hand_raised: !raised })}>
        <Icon path={HAND} /> {raised ? 'Lower hand' : 'Raise hand'}
      </button>
      <button className="cp-button" data-testid="rename-me" onClick={() => setName(me.name)}>
        Name and colour
      </button>
    </div>
  );
}

function PersonRow(props: IPeoplePanelProps & { person: IParticipant }): JSX.Element {
  const { person, room, control, follow } = props;
  const manage = room.permissions.includes('manage') && !person.you && !person.owner;
  const mayFollow = follow !== undefined && !person.you && person.online;
  const following = follow?.target === person.id;
  return (
    <PersonView person={person} now={control.now()}>
      {mayFollow && (
        <button
          className="cp-button cp-small"
          data-testid="person-follow"
          aria-pressed={following}
          aria-label={following ? `Stop following ${person.name}` : `Follow ${person.name}`}
          title={following ? 'Stop following' : 'See what they see'}
          onClick={() => follow.follow(following ? null : person.id)}
        >
          {following ? 'Following' : 'Follow'}
        </button>
      )}
      {manage && <PersonMenu {...props} />}
    </PersonView>
  );
}

type Step = 'menu' | 'rename' | 'remove' | 'transfer';

function PersonMenu(props: IPeoplePanelProps & { person: IParticipant }): JSX.Element {
  const { person, room, control } = props;
  const { open, setOpen, box } = usePopover(false);
  const [step, setStep] = useState<Step>('menu');
  const toggle = (): void => {
    setStep('menu');
    setOpen(!open);
  };
  const close = (): void => setOpen(false);
  return (
    <div className="cp-person-box" ref={box}>
      <button className="cp-button cp-icon-button cp-small" data-testid="person-menu" aria-expanded={open} aria-label={`Change ${person.name}`} title="Role, name, remove" onClick={toggle}>
        <Icon path={DOTS} />
      </button>
      {open && (
        <div className="cp-person-panel" role="group" aria-label={person.name}>
          {step === 'menu' && <PersonChoices {...props} go={setStep} close={close} />}
          {step === 'rename' && <RenameForm person={person} control={control} close={close} />}
          {step === 'remove' && <RemoveForm person={person} control={control} close={close} />}
          {step === 'transfer' && (
            <div className="cp-popover-text">
              <p>{`${person.name} will own “${room.title}”: only they can delete it or make hosts then. You stay a host.`}</p>
              <button className="cp-button cp-primary" data-testid="person-transfer-confirm" onClick={() => void control.transfer(person.id).then(close)}>
                Hand the room over
              </button>
            </div>
          )}
        </div>
      )}
    </div>
  );
}

function PersonChoices(
  props: IPeoplePanelProps & { person: IParticipant; go: (step: Step) => void; close: () => void }
): JSX.Element {
  const { person, room, control, go, close } = props;
  const roles = ROLES.filter(role => role !== 'host' || (room.owner && !person.guest) || person.role === 'host');
  return (
    <>
      <label className="cp-popover-field">
        <span>Role</span>
        <select className="cp-input" data-testid="person-role" value={person.role} onChange={event => void control.person(person.id, { role: event.target.value as Role }).then(close)}>
          {roles.map(role => (
            <option key={role} value={role}>{`${capital(role)} – ${ROLE_WORDS[role]}`}</option>
          ))}
        </select>
      </label>
      <button className="cp-menu-item" data-testid="person-rename" onClick={() => go('rename')}>
        Rename…
      </button>
      {person.hand_raised_at && (
        <button className="cp-menu-item" data-testid="person-lower-hand" onClick={() => void control.person(person.id, { hand_raised: false }).then(close)}>
          Lower hand
        </button>
      )}
      {room.owner && !person.guest && (
        <button className="cp-menu-item" data-testid="person-transfer" onClick={() => go('transfer')}>
          Hand the room over…
        </button>
      )}
      <button className="cp-menu-item cp-danger" data-testid="person-remove" onClick={() => go('remove')}>
        Remove…
      </button>
    </>
  );
}

function RenameForm(props: { person: IParticipant; control: RoomControl; close: () => void }): JSX.Element {
  const { person, control, close } = props;
  const [name, setName] = useState(person.name);
  return (
    <form
      className="cp-popover-text"
      onSubmit={event => {
        event.preventDefault();
        void control.person(person.id, { name }).then(done => done && close());
      }}
    >
      <input className="cp-input" data-testid="person-name" aria-label={`New name of ${person.name}`} value={name} maxLength={40} autoFocus onChange={event => setName(event.target.value)} />
      <button className="cp-button cp-primary" data-testid="person-name-save">Rename</button>
    </form>
  );
}

function RemoveForm(props: { person: IParticipant; control: RoomControl; close: () => void }): JSX.Element {
  const { person, control, close } = props;
  const [endLink, setEndLink] = useState(false);
  const remove = async (ban: boolean): Promise<void> => {
    const link = person.invite_id;
    if ((await control.remove(person.id, ban)) && endLink && link) {
      await control.revoke(link, false);
    }
    close();
  };
  return (
    <div className="cp-popover-text">
      <p>
        {`${person.name} is sent away at once.`}
        {person.invite_id && ' The link they came by goes on working.'}
      </p>
      {person.invite_id && (
        <label className="cp-check">
          <input type="checkbox" data-testid="end-link" checked={endLink} onChange={event => setEndLink(event.target.checked)} />
          Also end that link
        </label>
      )}
      <button className="cp-button" data-testid="person-remove-confirm" onClick={() => void remove(false)}>
        Remove
      </button>
      <button className="cp-button cp-danger" data-testid="person-ban" title="They cannot come again in that browser, nor anybody under that name" onClick={() => void remove(true)}>
        Remove and ban
      </button>
    </div>
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
