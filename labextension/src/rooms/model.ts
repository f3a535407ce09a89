/** The rooms of the host: the list, and everything one can do with a room. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, wordsOf } from '../api';
import type { IHealth, IInvite, ILanguage, IParticipant, IRoom, ISandbox, IWaiting, PadType, Role } from '../types';
import type { IRoomEvent } from '../sync/provider';
import { RoomControl } from './control';

export interface INewRoom {
  title: string;
  /** Left out: the language of the file that is copied. */
  language?: string;
  pad_type: PadType;
  starter_text?: string;
  source_path?: string;
  expires_in_hours?: number;
  lobby?: boolean;
  prepared?: boolean;
}

/** What is wrong with a wish for a room, in words; null when nothing is. */
export function problemOf(wish: INewRoom): string | null {
  if (!wish.title.trim()) {
    return 'Give the room a title.';
  }
  if (wish.title.trim().length > 120) {
    return 'A title can have at most 120 characters.';
  }
  const hours = wish.expires_in_hours;
  if (hours !== undefined && !(hours > 0)) {
    return 'Give the number of hours after which the room ends.';
  }
  return null;
}

/** How long a room still lasts. */
export function timeLeft(room: IRoom, now: number): string {
  const minutes = Math.round((Date.parse(room.expires_at) - now) / 60_000);
  if (minutes < 1) {
    return 'ends now';
  }
  if (minutes < 90) {
    return `ends in ${minutes} min`;
  }
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `ends in ${hours} h` : `ends in ${Math.round(hours / 24)} days`;
}

/** Somebody at the door of a room. */
export interface IKnock {
  room: IRoom;
  person: IWaiting;
}

export class RoomsModel {
  private _rooms: IRoom[] | null = null;
  private _people = new Map<string, IParticipant[]>();
  private _waiting = new Map<string, IWaiting[]>();
  private readonly _controls = new Map<string, RoomControl>();
  private readonly _knocked = new Signal<this, IKnock>(this);
  private _error = '';
  private _sandbox: ISandbox | null = null;
  private _disposed = false;
  private readonly _changed = new Signal<this, void>(this);

  /** `codepadUrl`: address of `codepad/`; `token` is added to downloads where cookies do not do. */
  constructor(
    readonly api: Api,
    readonly codepadUrl: string,
    private readonly _token = ''
  ) {}

  /** Newest first; null before the first answer. */
  get rooms(): IRoom[] | null {
    return this._rooms;
  }

  /** Words of the last thing that went wrong, or empty. */
  get error(): string {
    return this._error;
  }

  /** Whether code can be run on this server; null before the first answer. */
  get sandbox(): ISandbox | null {
    return this._sandbox;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  peopleOf(roomId: string): IParticipant[] | null {
    return this._people.get(roomId) ?? null;
  }

  waitingOf(roomId: string): IWaiting[] {
    return this._waiting.get(roomId) ?? [];
  }

  /** Somebody new waits in the lobby of one of the rooms. */
  get knocked(): ISignal<this, IKnock> {
    return this._knocked;
  }

  /** What can be done with a room; its effects show in this model. */
  control(roomId: string): RoomControl {
    let control = this._controls.get(roomId);
    if (!control) {
      control = new RoomControl(this.api, roomId, this.codepadUrl, this._token);
      control.failed.connect((_, words) => {
        this._error = words;
        this._changed.emit();
      });
      control.done.connect(() => void this.refresh());
      this._controls.set(roomId, control);
    }
    return control;
  }

  room(roomId: string): IRoom | null {
    return this._rooms?.find(room => room.id === roomId) ?? null;
  }

  async refresh(): Promise<void> {
    await this._try(async () => {
      this._rooms = (await this.api.request<{ rooms: IRoom[] }>('GET', 'rooms')).rooms;
      if (!this._sandbox) {
        this._sandbox = (await this.api.request<IHealth>('GET', 'health')).sandbox;
      }
      this._rooms.forEach(room => this.control(room.id).learnClock(room));
      const shown = [...this._people.keys()];
      const knocking = this._rooms.filter(room => room.waiting > 0).map(room => room.id);
      await Promise.all(
        [...new Set([...shown, ...knocking])].map(id =>
          this.room(id) ? this._load(id, shown.includes(id)) : this.hidePeople(id)
        )
      );
    });
  }

  /**
   * The room that has the notebook at a path for its pad and people can be in, as the server says now;
   * null when there is none, or when nobody can tell.
   */
  async roomOfNotebook(path: string): Promise<IRoom | null> {
    const there = this._notebookAt(path);
    if (!there) {
      await this._try(async () => {
        this._rooms = (await this.api.request<{ rooms: IRoom[] }>('GET', 'rooms')).rooms;
      });
    }
    return there ?? this._notebookAt(path);
  }

  /** Take in what the server tells on a socket of the room. */
  hear(roomId: string, event: IRoomEvent): void {
    if (event.type === 'room') {
      const heard = event['room'] as IRoom;
      this.control(roomId).learnClock(heard);
      this._rooms = this._rooms?.map(room => (room.id === roomId ? heard : room)) ?? null;
    } else if (event.type === 'participants' && this._people.has(roomId)) {
      this._people.set(roomId, event['participants'] as IParticipant[]);
    } else if (event.type === 'lobby') {
      this._setWaiting(roomId, event['waiting'] as IWaiting[]);
    } else {
      return;
    }
    this._changed.emit();
  }

  async languages(): Promise<ILanguage[]> {
    return (await this.api.request<{ languages: ILanguage[] }>('GET', 'languages')).languages;
  }

  /** Rejects with the server's words. */
  async create(wish: INewRoom): Promise<IRoom> {
    const room = await this.api.request<IRoom>('POST', 'rooms', wish);
    this._rooms = [room, ...(this._rooms ?? [])];
    this._changed.emit();
    return room;
  }

  /** A new link into a room, as an address to send. Rejects with the server's words. */
  async newLink(roomId: string, role: Role): Promise<string> {
    const invite = await this.api.request<IInvite>('POST', `rooms/${roomId}/invites`, { role });
    return new URL(invite.url ?? '', this.codepadUrl).href;
  }

  async setState(roomId: string, state: 'open' | 'closed'): Promise<void> {
    await this._try(async () => {
      await this.api.request<IRoom>('PATCH', `rooms/${roomId}`, { state });
      await this.refresh();
    });
  }

  async remove(roomId: string, deleteFiles: boolean): Promise<void> {
    await this._try(async () => {
      await this.api.request('DELETE', `rooms/${roomId}?delete_files=${deleteFiles}`);
      this._people.delete(roomId);
      await this.refresh();
    });
  }

  async showPeople(roomId: string): Promise<void> {
    await this._try(() => this._load(roomId, true));
  }

  hidePeople(roomId: string): void {
    this._people.delete(roomId);
    this._changed.emit();
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  private _notebookAt(path: string): IRoom | null {
    const lives = (room: IRoom): boolean => room.state === 'open' || room.state === 'prepared';
    const isPad = (room: IRoom): boolean => room.pad_type === 'notebook' && room.pad_path === path;
    return this._rooms?.find(room => isPad(room) && lives(room)) ?? null;
  }

  private async _load(roomId: string, show: boolean): Promise<void> {
    const path = `rooms/${roomId}/participants`;
    const answer = await this.api.request<{ participants: IParticipant[]; waiting: IWaiting[] }>('GET', path);
    if (show) {
      this._people.set(roomId, answer.participants);
    }
    this._setWaiting(roomId, answer.waiting);
  }

  private _setWaiting(roomId: string, waiting: IWaiting[]): void {
    const known = new Set(this.waitingOf(roomId).filter(one => one.online).map(one => one.id));
    this._waiting.set(roomId, waiting);
    const room = this.room(roomId);
    waiting
      .filter(person => person.online && !known.has(person.id))
      .forEach(person => room && this._knocked.emit({ room, person }));
  }

  private async _try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this._error = '';
    } catch (error) {
      this._error = wordsOf(error);
    }
    if (!this._disposed) {
      this._changed.emit();
    }
  }
}
