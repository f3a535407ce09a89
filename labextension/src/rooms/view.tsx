/** The host's list of rooms. */
import { useState } from 'react';
import { Icon } from '../icon';
import { capital, givableRoles, ROLE_WORDS } from '../people/roles';
import { useSignal } from '../react';
import type { IRoom, Role } from '../types';
import { type RoomsModel, timeLeft } from './model';
import { ServerSection } from './server';

/** Draws what a room's owner has in hand; JupyterLab and others may bring their own. */
export type ManageView = (props: { model: RoomsModel; room: IRoom }) => JSX.Element;

export interface IRoomActions {
  create: () => void;
  open: (room: IRoom) => void;
  copyLink: (room: IRoom, role: Role) => void;
  remove: (room: IRoom) => void;
}

const PLUS = 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z';

export function RoomsView(props: { model: RoomsModel; actions: IRoomActions; manage: ManageView }): JSX.Element {
  const { model, actions, manage } = props;
  useSignal(model.changed);
  const rooms = model.rooms;
  return (
    <div className="cp-rooms" data-testid="rooms-panel">
      <header className="cp-rooms-head">
        <h2>Codepad rooms</h2>
        <button className="cp-button cp-primary" data-testid="new-room" onClick={actions.create}>
          <Icon path={PLUS} /> New room
        </button>
      </header>
      {model.error && (
        <p className="cp-rooms-error" role="alert">
          {model.error}
        </p>
      )}
      {model.sandbox && !model.sandbox.running_allowed && (
        <p className="cp-warning cp-rooms-note">{model.sandbox.reason}</p>
      )}
      {rooms === null && !model.error && <p className="cp-empty">Loading your rooms…</p>}
      {rooms?.length === 0 && (
        <div className="cp-empty">
          <p>You have no rooms yet.</p>
          <p>Make one, send its link, and code together: the other person needs no account.</p>
        </div>
      )}
      <ul className="cp-room-list">
        {rooms?.map(room => (
          <RoomItem key={room.id} room={room} model={model} actions={actions} manage={manage} />
        ))}
      </ul>
      <ServerSection model={model} />
    </div>
  );
}

function RoomItem(props: { room: IRoom; model: RoomsModel; actions: IRoomActions; manage: ManageView }): JSX.Element {
  const { room, model, actions, manage: Manage } = props;
  const [link, setLink] = useState(false);
  const people = model.peopleOf(room.id);
  const open = room.state === 'open' || room.state === 'prepared';
  const host = room.permissions.includes('manage');
  const copy = (role: Role): void => {
    setLink(false);
    actions.copyLink(room, role);
  };
  return (
    <li className="cp-room" data-testid="room-item" data-room-id={room.id} data-state={room.state}>
      <div className="cp-room-head">
        <button className="cp-room-title" title={`Open the pad of ${room.title}`} data-testid="room-open" onClick={() => actions.open(room)}>
          {room.title}
        </button>
        <span className={`cp-tag cp-state-${room.state}`}>{room.state}</span>
      </div>
      <div className="cp-room-facts">
        <button
          className="cp-link-button"
          data-testid="room-people"
          aria-expanded={people !== null}
          onClick={() => (people ? model.hidePeople(room.id) : void model.showPeople(room.id))}
        >
          {room.online === 1 ? '1 person here' : `${room.online} people here`}
        </button>
        {room.waiting > 0 && <span className="cp-count" data-testid="room-waiting">{`${room.waiting} waiting`}</span>}
        {open && <span className="cp-muted">{timeLeft(room, model.control(room.id).now())}</span>}
      </div>
      {people && <Manage model={model} room={room} />}
      <div className="cp-room-actions">
        {open && host && (
          <button className="cp-button" data-testid="room-copy-link" aria-expanded={link} onClick={() => setLink(!link)}>
            Copy link
          </button>
        )}
        {host && (
          <button className="cp-button" data-testid="room-close" disabled={room.state === 'expired'} onClick={() => void model.setState(room.id, open ? 'closed' : 'open')}>
            {open ? 'Close' : 'Reopen'}
          </button>
        )}
        {room.owner && (
          <button className="cp-button" data-testid="room-delete" onClick={() => actions.remove(room)}>
            Delete
          </button>
        )}
      </div>
      {link && (
        <div className="cp-room-actions" role="group" aria-label="What the link gives">
          {givableRoles(room.me?.role ?? 'observer').map(role => (
            <button key={role} className="cp-button" data-testid={`room-copy-${role}`} title={ROLE_WORDS[role]} onClick={() => copy(role)}>
              {capital(role)}
            </button>
          ))}
        </div>
      )}
    </li>
  );
}
