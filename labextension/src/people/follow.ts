/** Following somebody: seeing the part of the pad that they see. */
import { Signal, type ISignal } from '@lumino/signaling';
import type { Awareness } from 'y-protocols/awareness';
import type { IAwarenessUser } from '../types';
import type { PeopleModel } from './model';

/** What somebody sees first: a position in the pad's text, or a cell of its notebook. */
export interface IViewport {
  position: unknown;
  cell: string | null;
}

export interface IShownState {
  viewport: IViewport | null;
  /** Where their caret is: all that JupyterLab tells. */
  head: unknown;
}

interface IState {
  user?: IAwarenessUser;
  viewport?: IViewport;
  cursors?: { head?: unknown }[];
  following?: string | null;
}

const MINUTE_MS = 60_000;

export class FollowModel {
  private _target: string | null = null;
  private readonly _targetChanged = new Signal<this, void>(this);
  private readonly _changed = new Signal<this, void>(this);

  constructor(
    private readonly _awareness: Awareness,
    private readonly _people: PeopleModel,
    private readonly _me: () => string | null
  ) {
    _awareness.on('change', this._onChange);
    _people.changed.connect(this._onPeople);
  }

  /** Whom this person follows: a participant's id. */
  get target(): string | null {
    return this._target;
  }

  get targetName(): string {
    return (this._target && this._people.person(this._target)?.name) || '';
  }

  /** Names of those who follow this person. */
  get followers(): string[] {
    const me = this._me();
    const names: string[] = [];
    this._states().forEach(state => {
      if (me && state.following === me && state.user) {
        names.push(state.user.display_name || state.user.name);
      }
    });
    return [...new Set(names)];
  }

  /** Whom one follows, who follows, or what the followed person sees has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** One follows somebody else now, or nobody. */
  get targetChanged(): ISignal<this, void> {
    return this._targetChanged;
  }

  /** What the followed person sees now; null when nobody is followed or nothing is known. */
  get view(): IShownState | null {
    if (!this._target) {
      return null;
    }
    const state = this._states().find(one => one.user?.participant_id === this._target && (one.viewport ?? one.cursors));
    return state ? { viewport: state.viewport ?? null, head: state.cursors?.[0]?.head ?? null } : null;
  }

  /** Follow somebody, or nobody. */
  follow(participantId: string | null): void {
    if (participantId !== this._target) {
      this._target = participantId;
      this._awareness.setLocalStateField('following', participantId);
      this._targetChanged.emit();
      this._changed.emit();
    }
  }

  /** Tell the others what this person sees first. */
  show(viewport: IViewport): void {
    if (JSON.stringify(this._awareness.getLocalState()?.['viewport']) !== JSON.stringify(viewport)) {
      this._awareness.setLocalStateField('viewport', viewport);
    }
  }

  /** Tell that this person does something: at most once a minute. */
  active(): void {
    const minute = Math.floor(Date.now() / MINUTE_MS);
    if (this._awareness.getLocalState() && this._awareness.getLocalState()?.['active'] !== minute) {
      this._awareness.setLocalStateField('active', minute);
    }
  }

  dispose(): void {
    this._awareness.off('change', this._onChange);
    this._people.changed.disconnect(this._onPeople);
    Signal.clearData(this);
  }

  /** The states of all but oneself. */
  private _states(): IState[] {
    return [...this._awareness.getStates()]
      .filter(([id]) => id !== this._awareness.doc.clientID)
      .map(([, state]) => state as IState);
  }

  private readonly _onChange = (_: unknown, origin: unknown): void => {
    if (origin !== 'local') {
      this._changed.emit();
    }
  };

  private readonly _onPeople = (): void => {
    const person = this._target ? this._people.person(this._target) : null;
    if (this._target && !person?.online) {
      this.follow(null);
    }
  };
}
