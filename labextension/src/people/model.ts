/** Who is in the room: the server's list, and who types right now. */
import { Signal, type ISignal } from '@lumino/signaling';
import type { Api } from '../api';
import type { IRoomEvent, Provider } from '../sync/provider';
import type { IAwarenessUser, IParticipant, IWaiting } from '../types';

export class PeopleModel {
  private _people: IParticipant[] = [];
  private _waiting: IWaiting[] = [];
  private readonly _knocked = new Signal<this, IWaiting>(this);
  private readonly _changed = new Signal<this, void>(this);

  constructor(
    private readonly _provider: Provider,
    private readonly _api: Api,
    private readonly _roomId: string
  ) {
    _provider.eventReceived.connect(this._onEvent);
    _provider.awareness.on('change', this._onAwareness);
    _provider.syncedOnce.connect(this._onSynced);
  }

  /** Those who are here now. */
  get here(): IParticipant[] {
    return this._people.filter(person => person.online);
  }

  /** Those who were here before. */
  get away(): IParticipant[] {
    return this._people.filter(person => !person.online);
  }

  /** Those in the lobby, for those who may let them in. */
  get waiting(): IWaiting[] {
    return this._waiting;
  }

  /** Somebody new waits in the lobby. */
  get knocked(): ISignal<this, IWaiting> {
    return this._knocked;
  }

  person(id: string): IParticipant | null {
    return this._people.find(one => one.id === id) ?? null;
  }

  /** Names of the others who type right now. */
  get typing(): string[] {
    const names: string[] = [];
    this._provider.awareness.getStates().forEach((value, clientId) => {
      const state = value as { typing?: boolean; user?: IAwarenessUser };
      if (clientId !== this._provider.doc.clientID && state.typing === true && state.user) {
        names.push(state.user.display_name || state.user.name);
      }
    });
    return [...new Set(names)];
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  async refresh(): Promise<void> {
    const path = `rooms/${this._roomId}/participants`;
    const answer = await this._api.request<{ participants: IParticipant[]; waiting: IWaiting[] }>('GET', path);
    this._people = answer.participants;
    this._setWaiting(answer.waiting);
  }

  dispose(): void {
    this._provider.awareness.off('change', this._onAwareness);
    Signal.clearData(this);
  }

  private _set(people: IParticipant[]): void {
    this._people = people;
    this._changed.emit();
  }

  private _setWaiting(waiting: IWaiting[]): void {
    const known = new Set(this._waiting.filter(one => one.online).map(one => one.id));
    this._waiting = waiting;
    waiting.filter(one => one.online && !known.has(one.id)).forEach(one => this._knocked.emit(one));
    this._changed.emit();
  }

  private readonly _onEvent = (_: unknown, event: IRoomEvent): void => {
    if (event.type === 'participants') {
      this._set(event['participants'] as IParticipant[]);
    } else if (event.type === 'lobby') {
      this._setWaiting(event['waiting'] as IWaiting[]);
    }
  };

  private readonly _onSynced = (): void => {
    void this.refresh().catch(() => undefined); // the next event brings the list
  };

  private readonly _onAwareness = (): void => this._changed.emit();
}

/** "Ada is typing…", for one, two or many. */
export function typingWords(names: string[]): string {
  if (names.length === 0) {
    return '';
  }
  if (names.length === 1) {
    return `${names[0]} is typing…`;
  }
  return names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : `${names.length} people are typing…`;
}
