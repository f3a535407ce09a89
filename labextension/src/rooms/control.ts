/** Everything a host can do with one room and the people in it. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, wordsOf } from '../api';
import type { IActivity, IInvite, IParticipant, IRoom, Permission, Restrictions, Role } from '../types';

const HOUR_MS = 3_600_000;

export interface IRoomPatch {
  title?: string;
  state?: 'open' | 'closed' | 'prepared';
  expires_in_hours?: number;
  locked?: boolean;
  lobby?: boolean;
  opens_at?: string | null;
  restrictions?: Restrictions;
}

export interface INewLink {
  role: Role;
  label?: string;
  password?: string;
  expires_in_hours?: number;
  max_uses?: number;
  lobby?: boolean | null;
}

export interface IPersonPatch {
  role?: Role;
  name?: string;
  hand_raised?: false;
}

/** The restrictions with one permission of one role switched on or off. */
export function switched(
  before: Restrictions,
  role: Role,
  permission: Permission,
  allowed: boolean
): Restrictions {
  const off = (before[role] ?? []).filter(one => one !== permission);
  return { ...before, [role]: allowed ? off : [...off, permission] };
}

const EDITORS: Role[] = ['interviewer', 'member', 'candidate'];

/** Whether nobody but hosts may edit. */
export function isFrozen(restrictions: Restrictions): boolean {
  return EDITORS.every(role => restrictions[role]?.includes('edit'));
}

/** Editing switched off, or on again, for everybody but hosts. */
export function frozen(before: Restrictions, freeze: boolean): Restrictions {
  return EDITORS.reduce((next, role) => switched(next, role, 'edit', !freeze), before);
}

/** How many hours from now a room ends when it is given more time. */
export function hoursUntil(room: IRoom, moreHours: number, now: number): number {
  const left = Date.parse(room.expires_at) - now;
  return Math.max(0, left) / HOUR_MS + moreHours;
}

export class RoomControl {
  private _clockOffset = 0;
  private readonly _failed = new Signal<this, string>(this);
  private readonly _done = new Signal<this, void>(this);

  /** `codepadUrl`: address of `codepad/`, with a slash; `token` is added to downloads where needed. */
  constructor(
    readonly api: Api,
    readonly roomId: string,
    readonly codepadUrl: string,
    private readonly _token = ''
  ) {}

  /** Learn the server's clock from a room as it was just received. */
  learnClock(room: IRoom): void {
    this._clockOffset = Date.parse(room.now) - Date.now();
  }

  /** The server's time, in milliseconds. */
  now(): number {
    return Date.now() + this._clockOffset;
  }

  /** Something went wrong, in words. */
  get failed(): ISignal<this, string> {
    return this._failed;
  }

  /** Something was changed on the server. */
  get done(): ISignal<this, void> {
    return this._done;
  }

  /** Change the room; false after telling why not. */
  room(patch: IRoomPatch): Promise<boolean> {
    return this._change<IRoom>('PATCH', '', patch);
  }

  person(id: string, patch: IPersonPatch): Promise<boolean> {
    return this._change<IParticipant>('PATCH', `/participants/${id}`, patch);
  }

  me(patch: { name?: string; color?: string; hand_raised?: boolean }): Promise<boolean> {
    return this._change<IParticipant>('PATCH', '/me', patch);
  }

  remove(id: string, ban: boolean): Promise<boolean> {
    return this._change('DELETE', `/participants/${id}?ban=${ban}`);
  }

  admit(id: string): Promise<boolean> {
    return this._change('POST', `/participants/${id}/admit`, {});
  }

  deny(id: string): Promise<boolean> {
    return this._change('POST', `/participants/${id}/deny`, {});
  }

  admitAll(): Promise<boolean> {
    return this._change('POST', '/lobby/admit-all', {});
  }

  transfer(id: string): Promise<boolean> {
    return this._change('POST', `/participants/${id}/transfer`, {});
  }

  revoke(inviteId: string, removePeople: boolean): Promise<boolean> {
    return this._change('DELETE', `/invites/${inviteId}?remove_people=${removePeople}`);
  }

  /** Give somebody with an account on this server a role in the room. */
  addUser(username: string, role: Role): Promise<boolean> {
    return this._change<IParticipant>('POST', '/participants', { username, role });
  }

  /** Rejects with the server's words. */
  async links(): Promise<IInvite[]> {
    return (await this._request<{ invites: IInvite[] }>('GET', '/invites')).invites;
  }

  /** Rejects with the server's words. */
  createLink(wish: INewLink): Promise<IInvite> {
    return this._request<IInvite>('POST', '/invites', wish);
  }

  /** The main link anew; the one before stops working. Rejects with the server's words. */
  renewMainLink(role?: Role): Promise<IInvite> {
    return this._request<IInvite>('POST', '/main-invite', role ? { role } : {});
  }

  /** Rejects with the server's words. */
  activity(before?: number): Promise<{ activity: IActivity[]; more: boolean }> {
    return this._request('GET', `/activity?limit=100${before ? `&before=${before}` : ''}`);
  }

  /** The address that a link has for people. */
  address(invite: IInvite): string {
    return new URL(invite.url ?? '', new URL(this.codepadUrl, location.href)).href;
  }

  /** The address of a download of this room. */
  download(path: string, query: Record<string, string> = {}): string {
    const url = new URL(`${this.codepadUrl}api/rooms/${this.roomId}/${path}`, location.href);
    const all = { ...query, ...(this._token ? { token: this._token } : {}) };
    Object.entries(all).forEach(([name, value]) => url.searchParams.set(name, value));
    return url.href;
  }

  qrCode(invite: IInvite): string {
    const origin = new URL(this.codepadUrl, location.href).origin;
    return this.download(`invites/${invite.id}/qr.svg`, { origin });
  }

  tell(words: string): void {
    this._failed.emit(words);
  }

  private async _change<T>(method: string, path: string, body?: unknown): Promise<boolean> {
    try {
      await this._request<T>(method, path, body);
    } catch (error) {
      this._failed.emit(wordsOf(error));
      return false;
    }
    this._done.emit();
    return true;
  }

  private _request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.api.request<T>(method, `rooms/${this.roomId}${path}`, body);
  }
}
