/** The links of a room: the main one with its QR code, all others, and making new ones. */
import { useEffect, useRef, useState } from 'react';
import { wordsOf } from '../api';
import { capital, givableRoles, ROLE_WORDS } from '../people/roles';
import type { IInvite, IRoom, Role } from '../types';
import type { INewLink, RoomControl } from './control';

export interface ILinksProps {
  room: IRoom;
  control: RoomControl;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** What there is to say about a link, in few words. */
export function linkWords(link: IInvite): string {
  const uses = link.max_uses === null ? `${link.uses} joined` : `${link.uses} of ${link.max_uses} joined`;
  const lobby = link.lobby === null ? '' : link.lobby ? 'through the lobby' : 'past the lobby';
  const end = link.expires_at ? `until ${CLOCK.format(new Date(link.expires_at))}` : '';
  const password = link.has_password ? 'with a password' : '';
  const state = link.revoked ? 'revoked' : link.url ? '' : 'over';
  return [state, uses, password, lobby, end].filter(Boolean).join(' · ');
}

/** The wish that the form's fields amount to. */
export function linkWish(fields: ILinkFields): INewLink {
  const wish: INewLink = { role: fields.role, label: fields.label.trim() };
  if (fields.password) {
    wish.password = fields.password;
  }
  if (Number(fields.hours) > 0) {
    wish.expires_in_hours = Number(fields.hours);
  }
  if (Number(fields.uses) > 0) {
    wish.max_uses = Math.round(Number(fields.uses));
  }
  if (fields.lobby !== 'room') {
    wish.lobby = fields.lobby === 'yes';
  }
  return wish;
}

export interface ILinkFields {
  role: Role;
  label: string;
  password: string;
  hours: string;
  uses: string;
  lobby: 'room' | 'yes' | 'no';
}

export function LinksView(props: ILinksProps): JSX.Element {
  const { room, control } = props;
  const [links, setLinks] = useState<IInvite[] | null>(null);
  const [problem, setProblem] = useState('');
  const load = (): void => {
    control.links().then(setLinks, error => setProblem(wordsOf(error)));
  };
  useEffect(load, [control]);
  const act = (work: Promise<unknown>): void => {
    work.then(load, error => control.tell(wordsOf(error)));
  };
  const main = links?.find(link => link.main && link.url);
  const others = links?.filter(link => link !== main) ?? [];
  return (
    <div className="cp-links" data-testid="links">
      {problem && <p role="alert">{problem}</p>}
      {links === null && !problem && <p className="cp-muted">Loading the links…</p>}
      {links !== null && (
        <>
          <section aria-label="Main link">
            <h3>Main link</h3>
            {main ? (
              <MainLink link={main} control={control} />
            ) : (
              <p className="cp-muted">There is none. Make one to show it to everybody, as a link or as a QR code.</p>
            )}
            <button className="cp-button" data-testid="rotate" onClick={() => act(control.renewMainLink())}>
              {main ? 'Make a new main link (this one stops working)' : 'Make a main link'}
            </button>
          </section>
          <NewLink room={room} control={control} onMade={load} />
          <section aria-label="Other links">
            <h3>{`Other links (${others.length})`}</h3>
            {others.length === 0 && <p className="cp-muted">None yet.</p>}
            <ul>
              {others.map(link => (
                <LinkItem key={link.id} link={link} room={room} control={control} act={act} />
              ))}
            </ul>
          </section>
        </>
      )}
    </div>
  );
}

function MainLink(props: { link: IInvite; control: RoomControl }): JSX.Element {
  const { link, control } = props;
  return (
    <div className="cp-main-link">
      <img className="cp-qr" data-testid="qr" src={control.qrCode(link)} alt={`QR code of the main link, which makes people ${link.role}`} width={160} height={160} />
      <div>
        <p>
          <strong>{capital(link.role)}</strong> – {ROLE_WORDS[link.role]}
        </p>
        <p className="cp-muted">{linkWords(link)}</p>
        <LinkField address={control.address(link)} testid="main-link" />
      </div>
    </div>
  );
}

/** An address with a button that copies it, or selects it where there is no clipboard. */
function LinkField(props: { address: string; testid: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(props.address);
      setCopied(true);
    } catch {
      setCopied(false); // plain http: it is selected, the person copies it
    }
  };
  return (
    <span className="cp-form-row">
      <input ref={field} className="cp-input" data-testid={props.testid} readOnly value={props.address} aria-label="Link" onFocus={event => event.target.select()} />
      <button type="button" className="cp-button" aria-live="polite" onClick={() => void copy()}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </span>
  );
}

function NewLink(props: ILinksProps & { onMade: () => void }): JSX.Element {
  const { room, control, onMade } = props;
  const roles = givableRoles(room.me?.role ?? 'host');
  const first: ILinkFields = { role: 'candidate', label: '', password: '', hours: '', uses: '', lobby: 'room' };
  const [fields, setFields] = useState(first);
  const [made, setMade] = useState<IInvite | null>(null);
  const set = (change: Partial<ILinkFields>): void => setFields({ ...fields, ...change });
  const create = (): void => {
    control.createLink(linkWish(fields)).then(
      link => {
        setMade(link);
        setFields({ ...first, role: fields.role });
        onMade();
      },
      error => control.tell(wordsOf(error))
    );
  };
  return (
    <section aria-label="New link">
      <h3>New link</h3>
      <form
        className="cp-link-form"
        onSubmit={event => {
          event.preventDefault();
          create();
        }}
      >
        <label>
          Role
          <select className="cp-input" data-testid="link-role" value={fields.role} onChange={event => set({ role: event.target.value as Role })}>
            {roles.map(role => (
              <option key={role} value={role}>{`${capital(role)} – ${ROLE_WORDS[role]}`}</option>
            ))}
          </select>
        </label>
        <label>
          Label
          <input className="cp-input" data-testid="link-label" value={fields.label} maxLength={120} placeholder="Group A" onChange={event => set({ label: event.target.value })} />
        </label>
        <label>
          Password
          <input className="cp-input" data-testid="link-password" value={fields.password} maxLength={200} placeholder="none" autoComplete="off" onChange={event => set({ password: event.target.value })} />
        </label>
        <label>
          Ends after (hours)
          <input className="cp-input" data-testid="link-hours" type="number" min="0" step="any" value={fields.hours} placeholder="with the room" onChange={event => set({ hours: event.target.value })} />
        </label>
        <label>
          Lets in (people)
          <input className="cp-input" data-testid="link-uses" type="number" min="1" step="1" value={fields.uses} placeholder="any number" onChange={event => set({ uses: event.target.value })} />
        </label>
        <label>
          Lobby
          <select className="cp-input" data-testid="link-lobby" value={fields.lobby} onChange={event => set({ lobby: event.target.value as ILinkFields['lobby'] })}>
            <option value="room">{room.lobby ? 'as the room: they wait' : 'as the room: they come in'}</option>
            <option value="yes">they wait in the lobby</option>
            <option value="no">they come in</option>
          </select>
        </label>
        <button className="cp-button cp-primary" data-testid="link-create">Make the link</button>
      </form>
      {made && <LinkField address={control.address(made)} testid="link-field" />}
    </section>
  );
}

function LinkItem(
  props: ILinksProps & { link: IInvite; act: (work: Promise<unknown>) => void }
): JSX.Element {
  const { link, room, control, act } = props;
  const [asking, setAsking] = useState(false);
  const [remove, setRemove] = useState(false);
  return (
    <li className="cp-link-item" data-testid="link-item" data-revoked={link.revoked}>
      <span>
        <strong>{link.label || capital(link.role)}</strong> {link.label && `(${link.role})`}
        <span className="cp-muted">{` ${linkWords(link)}`}</span>
      </span>
      {link.url && <LinkField address={control.address(link)} testid="link-address" />}
      {!link.revoked && !asking && (
        <button className="cp-button cp-small" data-testid="revoke" onClick={() => setAsking(true)}>
          Revoke…
        </button>
      )}
      {asking && !link.revoked && (
        <span className="cp-form-row" role="group" aria-label="Revoke this link?">
          {room.permissions.includes('manage') && (
            <label className="cp-check">
              <input type="checkbox" data-testid="revoke-people" checked={remove} onChange={event => setRemove(event.target.checked)} />
              Also remove everybody who came by it
            </label>
          )}
          <button className="cp-button cp-danger" data-testid="revoke-confirm" onClick={() => act(control.revoke(link.id, remove))}>
            Revoke
          </button>
          <button className="cp-button" onClick={() => setAsking(false)}>
            Cancel
          </button>
        </span>
      )}
    </li>
  );
}
