/** What a host sets about a room: its doors, what people may do, its time, and its end. */
import { useEffect, useState } from 'react';
import { wordsOf } from '../api';
import { capital, restrictable, ROLE_WORDS, ROLES } from '../people/roles';
import type { IActivity, IRoom, Role } from '../types';
import { frozen, hoursUntil, type IRoomPatch, isFrozen, type RoomControl, switched } from './control';

const RESTRICTED_ROLES: Role[] = ['candidate', 'member', 'interviewer', 'observer'];
const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });

export interface IRoomControlsProps {
  room: IRoom;
  control: RoomControl;
}

interface IPartProps extends IRoomControlsProps {
  change: (patch: IRoomPatch) => Promise<boolean>;
}

export function RoomControls(props: IRoomControlsProps): JSX.Element {
  const { control } = props;
  // What was just clicked shows at once, until the server says what is.
  const [wished, setWished] = useState<Partial<IRoom>>({});
  useEffect(() => setWished({}), [props.room]);
  const change = async (patch: IRoomPatch): Promise<boolean> => {
    const { locked, lobby, restrictions, state } = { ...props.room, ...wished, ...patch };
    setWished({ locked, lobby, restrictions, state });
    const done = await control.room(patch);
    if (!done) {
      setWished({});
    }
    return done;
  };
  const room = { ...props.room, ...wished };
  const over = room.state === 'closed' || room.state === 'expired';
  const part = { room, control, change };
  return (
    <div className="cp-controls-panel" data-testid="room-controls">
      {!over && <Doors {...part} />}
      {!over && <Rights {...part} />}
      {!over && <Colleague {...part} />}
      <Time {...part} />
      <Records {...part} />
      <End {...part} />
    </div>
  );
}

function Doors(props: IPartProps): JSX.Element {
  const { room, change } = props;
  const [opening, setOpening] = useState('');
  return (
    <fieldset>
      <legend>Who comes in</legend>
      <label className="cp-check">
        <input type="checkbox" data-testid="room-locked" checked={room.locked} onChange={event => void change({ locked: event.target.checked })} />
        Lock the room: nobody new can join
      </label>
      <label className="cp-check">
        <input type="checkbox" data-testid="room-lobby" checked={room.lobby} onChange={event => void change({ lobby: event.target.checked })} />
        Newcomers wait in the lobby until they are admitted
      </label>
      <label className="cp-check">
        <input type="checkbox" data-testid="room-prepared" checked={room.state === 'prepared'} onChange={event => void change({ state: event.target.checked ? 'prepared' : 'open' })} />
        Not open yet: only hosts and interviewers are in
      </label>
      {room.state === 'prepared' && (
        <div className="cp-form-row">
          <label htmlFor={`cp-opens-${room.id}`}>{room.opens_at ? `Opens ${CLOCK.format(new Date(room.opens_at))}` : 'Opens by itself at'}</label>
          <input id={`cp-opens-${room.id}`} className="cp-input" data-testid="room-opens" type="datetime-local" value={opening} onChange={event => setOpening(event.target.value)} />
          <button className="cp-button" data-testid="room-opens-set" disabled={!opening} onClick={() => void change({ opens_at: new Date(opening).toISOString() })}>
            Set
          </button>
          {room.opens_at && (
            <button className="cp-button" onClick={() => void change({ opens_at: null })}>
              Not by itself
            </button>
          )}
        </div>
      )}
    </fieldset>
  );
}

function Rights(props: IPartProps): JSX.Element {
  const { room, change } = props;
  const freeze = isFrozen(room.restrictions);
  return (
    <fieldset>
      <legend>What people may do</legend>
      <button className="cp-button" data-testid="freeze" aria-pressed={freeze} onClick={() => void change({ restrictions: frozen(room.restrictions, !freeze) })}>
        {freeze ? 'Let people edit again' : 'Freeze editing for everybody'}
      </button>
      <table className="cp-rights">
        <tbody>
          {RESTRICTED_ROLES.map(role => (
            <tr key={role}>
              <th scope="row">{`${capital(role)}s may`}</th>
              <td>
                {restrictable(role).map(([permission, words]) => (
                  <label className="cp-check" key={permission}>
                    <input
                      type="checkbox"
                      data-testid={`may-${role}-${permission}`}
                      checked={!room.restrictions[role]?.includes(permission)}
                      onChange={event => void change({ restrictions: switched(room.restrictions, role, permission, event.target.checked) })}
                    />
                    {words}
                  </label>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </fieldset>
  );
}

function Colleague(props: IPartProps): JSX.Element {
  const { room, control } = props;
  const [username, setUsername] = useState('');
  const [role, setRole] = useState<Role>('interviewer');
  const [added, setAdded] = useState('');
  const roles = ROLES.filter(one => one !== 'host' || room.owner);
  const add = async (): Promise<void> => {
    if (await control.addUser(username.trim(), role)) {
      setAdded(`${username.trim()} finds the room in their list now, as ${role}.`);
      setUsername('');
    }
  };
  return (
    <fieldset>
      <legend>People with an account on this server</legend>
      <form
        className="cp-form-row"
        onSubmit={event => {
          event.preventDefault();
          void add();
        }}
      >
        <input className="cp-input" data-testid="add-username" aria-label="Username" placeholder="username" value={username} maxLength={255} onChange={event => setUsername(event.target.value)} />
        <select className="cp-input" data-testid="add-role" aria-label="Role" value={role} onChange={event => setRole(event.target.value as Role)}>
          {roles.map(one => (
            <option key={one} value={one}>{`${capital(one)} – ${ROLE_WORDS[one]}`}</option>
          ))}
        </select>
        <button className="cp-button" data-testid="add-user" disabled={!username.trim()}>
          Let in without a link
        </button>
      </form>
      <p className="cp-muted cp-tight" role="status">
        {added}
      </p>
    </fieldset>
  );
}

function Time(props: IPartProps): JSX.Element {
  const { room, control, change } = props;
  const more = (hours: number): void => void change({ expires_in_hours: hoursUntil(room, hours, control.now()) });
  return (
    <fieldset>
      <legend>Time</legend>
      <div className="cp-form-row">
        <span>{`${room.state === 'expired' ? 'Ended' : 'Ends'} ${CLOCK.format(new Date(room.expires_at))}`}</span>
        <button className="cp-button" data-testid="more-time" onClick={() => more(0.5)}>
          +30 min
        </button>
        <button className="cp-button" data-testid="more-time-hour" onClick={() => more(1)}>
          +1 h
        </button>
      </div>
    </fieldset>
  );
}

function Records(props: IPartProps): JSX.Element {
  const { control } = props;
  const [shown, setShown] = useState(false);
  return (
    <fieldset>
      <legend>Records</legend>
      <div className="cp-form-row">
        <button className="cp-button" data-testid="activity" aria-expanded={shown} onClick={() => setShown(!shown)}>
          Activity
        </button>
        <a className="cp-button" data-testid="activity-csv" href={control.download('activity.csv')} download>
          Download as CSV
        </a>
        <a className="cp-button" data-testid="export" href={control.download('export')} download>
          Export the room
        </a>
      </div>
      {shown && <ActivityList control={control} />}
    </fieldset>
  );
}

/** What an entry of the log says, in one line. */
export function activityWords(entry: IActivity): string {
  const who = [entry.actor, entry.subject].filter(Boolean).join(' → ');
  const detail = Object.entries(entry.detail)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
  return [capital(entry.kind.replaceAll('_', ' ')), who, detail].filter(Boolean).join(' · ');
}

function ActivityList(props: { control: RoomControl }): JSX.Element {
  const { control } = props;
  const [entries, setEntries] = useState<IActivity[] | null>(null);
  const [more, setMore] = useState(false);
  const [problem, setProblem] = useState('');
  const load = (before?: number): void => {
    control.activity(before).then(
      answer => {
        setEntries(known => [...(before ? (known ?? []) : []), ...answer.activity]);
        setMore(answer.more);
      },
      error => setProblem(wordsOf(error))
    );
  };
  useEffect(() => {
    const again = (): void => load();
    load();
    control.done.connect(again);
    return () => void control.done.disconnect(again);
  }, [control]);
  if (problem) {
    return <p role="alert">{problem}</p>;
  }
  return (
    <div className="cp-activity" data-testid="activity-list" tabIndex={0} aria-label="Activity">
      {entries === null && <p className="cp-muted">Loading…</p>}
      <ol>
        {entries?.map(entry => (
          <li key={entry.id}>
            <time dateTime={entry.at}>{MOMENT.format(new Date(entry.at))}</time> {activityWords(entry)}
          </li>
        ))}
      </ol>
      {more && (
        <button className="cp-button" onClick={() => load(entries?.[entries.length - 1]?.id)}>
          Older
        </button>
      )}
    </div>
  );
}

function End(props: IPartProps): JSX.Element {
  const { room, change } = props;
  const [sure, setSure] = useState(false);
  if (room.state === 'closed') {
    return (
      <button className="cp-button" data-testid="reopen-room" onClick={() => void change({ state: 'open' })}>
        Open the room again
      </button>
    );
  }
  if (!sure) {
    return (
      <button className="cp-button cp-danger" data-testid="end-room" disabled={room.state === 'expired'} onClick={() => setSure(true)}>
        End the room…
      </button>
    );
  }
  return (
    <div className="cp-form-row" role="group" aria-label="End the room?">
      <span>Everybody is sent out and the pad is frozen. You can open it again.</span>
      <button className="cp-button cp-danger" data-testid="end-room-confirm" autoFocus onClick={() => void change({ state: 'closed' }).then(() => setSure(false))}>
        End the room
      </button>
      <button className="cp-button" onClick={() => setSure(false)}>
        Cancel
      </button>
    </div>
  );
}
