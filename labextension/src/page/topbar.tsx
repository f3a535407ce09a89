/** The top bar: what room this is, whether it is saved, who is here, and the ways out. */
import { useEffect, useRef, useState } from 'react';
import { Icon } from '../icon';
import { Avatar } from '../people/view';
import { useSignal } from '../react';
import { StatusBadge } from '../sync/badge';
import { capital, givableRoles, ROLE_WORDS } from '../people/roles';
import { Modal } from '../popover';
import { RoomControls } from '../rooms/controls';
import { LinksView } from '../rooms/links';
import type { Role } from '../types';
import { LanguageMenu } from './language_menu';
import type { PageModel } from './model';

const AVATARS = 5;
const LINK = 'M10.600 13.400a1 1 0 0 1 0-1.400l1.400-1.400 1.400 1.400-1.400 1.400a1 1 0 0 1-1.400 0zM3.500 16a5 5 0 0 1 1.400-4.200l3-3 1.400 1.400-3 3a3 3 0 1 0 4.300 4.300l3-3 1.400 1.400-3 3A5 5 0 0 1 3.500 16zm11.600-2.200-1.400-1.400 3-3a3 3 0 1 0-4.300-4.300l-3 3L8 6.700l3-3a5 5 0 1 1 7.100 7.100z';
const SUN = 'M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11 1h2v3h-2zm0 19h2v3h-2zM1 11h3v2H1zm19 0h3v2h-3zM4.200 5.600l1.400-1.400 2.100 2.100-1.400 1.400zm12.100 12.100 1.400-1.400 2.100 2.100-1.400 1.400zM5.600 19.800l-1.400-1.400 2.100-2.100 1.400 1.400zM17.700 7.700l-1.400-1.400 2.100-2.100 1.400 1.400z';
const MOON = 'M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z';
const PEOPLE = 'M16 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm-8 0a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm0 2c-2.300 0-7 1.200-7 3.500V19h14v-2.500C15 14.200 10.300 13 8 13zm8 0h-1a4.200 4.200 0 0 1 2 3.500V19h6v-2.500c0-2.300-4.700-3.500-7-3.500z';
const EXIT = 'M10 17v-3H3v-4h7V7l5 5zM12 3h7a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2h-7v-2h7V5h-7z';

const GEAR = 'M3 6h10v2H3zm0 5h6v2H3zm0 5h10v2H3zM17 4h2v3h2v2h-6V7h2zm0 7h2v9h-2zM13 12h2v2h-2zM15 15h6v2h-6z';

export function TopBar(props: { model: PageModel; showPeople: boolean; togglePeople: () => void }): JSX.Element {
  const { model } = props;
  useSignal(model.theme.changed);
  useSignal(model.people.changed);
  const here = model.people.here;
  const waiting = model.people.waiting.length;
  const peopleLabel = `People: ${here.length} here${waiting ? `, ${waiting} in the lobby` : ''}`;
  const dark = model.theme.current === 'dark';
  return (
    <header className="cp-top">
      <img className="cp-logo" src={`${model.config.baseUrl}static/icon.svg`} alt="Codepad" width={22} height={22} />
      <h1 className="cp-title" title={model.room.title}>
        {model.room.title}
      </h1>
      <StatusBadge status={model.pad.status} latency={model.pad.latency} />
      <span className="cp-spring" />
      <LanguageMenu model={model} />
      <button className="cp-avatars" aria-pressed={props.showPeople} aria-label={peopleLabel} data-testid="toggle-people" onClick={props.togglePeople}>
        {here.slice(0, AVATARS).map(person => (
          <Avatar key={person.id} person={person} />
        ))}
        {here.length > AVATARS && <span className="cp-avatar cp-more" data-initials={`+${here.length - AVATARS}`} />}
        {here.length === 0 && <Icon path={PEOPLE} />}
        {waiting > 0 && (
          <span className="cp-count" data-testid="lobby-count" aria-hidden="true" data-count={waiting} />
        )}
      </button>
      <CopyLink model={model} />
      {model.may('manage') && <RoomMenu model={model} />}
      <button className="cp-button cp-icon-button" data-testid="theme-toggle" aria-label={dark ? 'Light theme' : 'Dark theme'} title={dark ? 'Light theme' : 'Dark theme'} onClick={() => model.theme.toggle()}>
        <Icon path={dark ? SUN : MOON} />
      </button>
      {model.room.me?.guest && (
        <button className="cp-button" data-testid="leave" aria-label="Leave" title="Leave the room" onClick={() => void model.leave()}>
          <Icon path={EXIT} /> <span className="cp-wide">Leave</span>
        </button>
      )}
    </header>
  );
}

function RoomMenu(props: { model: PageModel }): JSX.Element {
  const { model } = props;
  const [open, setOpen] = useState(false);
  return (
    <>
      <button className="cp-button" data-testid="room-menu" aria-label="Room" title="Doors, rights, time, activity, end" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <Icon path={GEAR} /> <span className="cp-wide">Room</span>
      </button>
      {open && (
        <Modal title={`Room “${model.room.title}”`} testid="room-dialog" onClose={() => setOpen(false)}>
          <RoomControls room={model.room} control={model.control} />
        </Modal>
      )}
    </>
  );
}

function CopyLink(props: { model: PageModel }): JSX.Element | null {
  const { model } = props;
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState('');
  const [links, setLinks] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const mayInvite = model.may('invite');
  const own = model.ownLink();

  useEffect(() => {
    if (!open && !shown) {
      return;
    }
    field.current?.select();
    const close = (event: Event): void => {
      const escape = event instanceof KeyboardEvent && event.key === 'Escape';
      const outside = event.type === 'pointerdown' && !box.current?.contains(event.target as Node);
      if (escape) {
        event.stopPropagation(); // it closes this menu, and nothing else
        box.current?.querySelector('button')?.focus();
      }
      if (escape || outside) {
        setOpen(false);
        setShown('');
      }
    };
    document.addEventListener('keydown', close, true);
    document.addEventListener('pointerdown', close);
    return () => {
      document.removeEventListener('keydown', close, true);
      document.removeEventListener('pointerdown', close);
    };
  }, [open, shown]);

  if (!mayInvite && !own) {
    return null;
  }
  const copy = async (link: string | null): Promise<void> => {
    setOpen(false);
    if (!link) {
      return;
    }
    try {
      await navigator.clipboard.writeText(link);
      model.tell('Link copied. Whoever has it can join.');
    } catch {
      setShown(link); // no clipboard on plain http, or not allowed
    }
  };
  const invite = (role: Role): void => void model.newLink(role).then(copy);
  return (
    <div className="cp-popover-anchor" ref={box}>
      <button className="cp-button" data-testid="copy-link" aria-label="Copy link" title="Copy a link to this room" aria-expanded={mayInvite ? open : undefined} onClick={() => (mayInvite ? setOpen(!open) : void copy(own))}>
        <Icon path={LINK} /> <span className="cp-wide">Copy link</span>
      </button>
      {open && (
        <div className="cp-popover" role="group" aria-label="What the link gives">
          {givableRoles(model.room.me?.role ?? 'observer').map(role => (
            <button key={role} className="cp-menu-item" data-testid={`copy-${role}`} onClick={() => invite(role)}>
              <strong>{capital(role)}</strong>
              <span>{ROLE_WORDS[role]}</span>
            </button>
          ))}
          <button
            className="cp-menu-item"
            data-testid="all-links"
            onClick={() => {
              box.current?.querySelector('button')?.focus(); // where the dialog gives the focus back
              setOpen(false);
              setLinks(true);
            }}
          >
            <strong>All links…</strong>
            <span>passwords, QR code, revoking</span>
          </button>
        </div>
      )}
      {links && (
        <Modal title={`Links into “${model.room.title}”`} testid="links-dialog" onClose={() => setLinks(false)}>
          <LinksView room={model.room} control={model.control} />
        </Modal>
      )}
      {shown && (
        <div className="cp-popover">
          <label htmlFor="cp-link">Copy this link:</label>
          <input id="cp-link" data-testid="link-field" ref={field} readOnly value={shown} />
        </div>
      )}
    </div>
  );
}
