/** The state of the room page: the room, its documents, and what the person is told. */
import { Signal, type ISignal } from '@lumino/signaling';
import type * as Y from 'yjs';
import { Api, pageTransport, wordsOf } from '../api';
import { CellQueue } from '../execution/cell_queue';
import { RunsModel } from '../execution/model';
import { FollowModel } from '../people/follow';
import { PeopleModel } from '../people/model';
import { pausedWords } from '../people/roles';
import { RoomControl } from '../rooms/control';
import { ConflictModel } from '../sync/conflict';
import type { IRoomEvent, Provider, SyncStatus } from '../sync/provider';
import type { IInvite, IPageConfig, IRoom, Permission, Role } from '../types';
import { readInvite, takeInvite } from './invite';
import { LanguagesModel } from './languages';
import { MainFileModel } from './main_file';
import { ThemeModel } from './theme';

const TELL_LATENCY_MS = 30_000;
const LATENCY_LIMIT_MS = 60_000;
const TOAST_MS = 6000;
const RUN_WAITS_MS = 1000;
const LEAVE_WAITS_MS = 3000;
const NOT_IN_YET = 4425;

export interface IToastAction {
  label: string;
  act: () => void;
}

export class PageModel {
  readonly api: Api;
  readonly people: PeopleModel;
  readonly runs: RunsModel;
  readonly control: RoomControl;
  readonly follow: FollowModel;
  readonly conflict: ConflictModel;
  readonly languages: LanguagesModel;
  readonly mainFile: MainFileModel;
  readonly theme = new ThemeModel();
  private readonly _cells: CellQueue;
  /** What the next run's program reads, if anything; kept as long as the page. */
  private _stdin = '';
  private _room: IRoom;
  private _lineWasDown = true;
  private _toast = '';
  private _toastAction: IToastAction | null = null;
  private _left = false;
  private _refusedText: string | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _changed = new Signal<this, void>(this);

  constructor(
    readonly config: IPageConfig,
    readonly pad: Provider,
    runs: Provider
  ) {
    this._room = config.room;
    this.api = new Api(pageTransport(config.baseUrl, config.xsrfToken));
    this.people = new PeopleModel(pad, this.api, config.roomId);
    this.control = new RoomControl(this.api, config.roomId, config.baseUrl);
    this.control.learnClock(config.room);
    this.control.failed.connect((_, words) => this.tell(words));
    this.follow = new FollowModel(pad.awareness, this.people, () => this._room.me?.id ?? null);
    this.people.knocked.connect((_, person) => {
      const waiting = this.people.waiting.filter(one => one.online).length;
      this.tell(`${person.name} wants to join.${waiting > 1 ? ` ${waiting} people are in the lobby.` : ''}`);
    });
    for (const kind of ['pointerdown', 'keydown', 'wheel', 'touchmove'] as const) {
      window.addEventListener(kind, () => this.follow.active(), { passive: true });
    }
    this.languages = new LanguagesModel(this.api, config.roomId);
    this.languages.failed.connect((_, words) => this.tell(words));
    pad.syncedOnce.connect(() => void this.languages.load());
    this.runs = new RunsModel(runs, this.api, config.roomId, config.baseUrl);
    this.runs.failed.connect((_, words) => this.tell(words));
    this.mainFile = new MainFileModel(this.api, config.roomId, () => this._room);
    this.mainFile.failed.connect((_, words) => this.tell(words));
    this._cells = new CellQueue(this.runs);
    pad.statusChanged.connect(() => {
      if (pad.end?.code === NOT_IN_YET) {
        location.reload(); // the server shows the lobby now
      }
      this._changed.emit();
    });
    this.conflict = new ConflictModel(this.api, `rooms/${config.roomId}/conflict`);
    this.conflict.told.connect((_, words) => this.tell(words));
    pad.statusChanged.connect((_, status) => this._onStatus(status));
    setInterval(() => this._tellLatency(), TELL_LATENCY_MS);
    pad.eventReceived.connect(this._onEvent);
    takeInvite(config.roomId);
    window.addEventListener('beforeunload', event => {
      if (pad.unsaved && !this._left) {
        event.preventDefault();
      }
    });
  }

  get room(): IRoom {
    return this._room;
  }

  get toast(): string {
    return this._toast;
  }

  /** What can be done about what the toast says. */
  get toastAction(): IToastAction | null {
    return this._toastAction;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  may(permission: Permission): boolean {
    return this._room.permissions.includes(permission);
  }

  /** Why this person cannot type, in words; null when they can. */
  get watchingWords(): string | null {
    if (this.may('edit')) {
      return null;
    }
    const paused = pausedWords(this._room, 'edit');
    if (paused) {
      return `${paused} You can go on reading.`;
    }
    return `You are watching. You cannot change ${this.may('run') ? '' : 'or run '}the code.`;
  }

  /** Why this person cannot run code although others can, in words; null when they can. */
  get runPausedWords(): string | null {
    return pausedWords(this._room, 'run');
  }

  /** What this person has typed last and the server did not take, as they may not type any more. */
  get refusedText(): string | null {
    return this._refusedText;
  }

  /** Why code cannot be run now, or null. */
  get runUnavailable(): string | null {
    const { sandbox } = this.config;
    if (this.pad.status === 'offline') {
      return 'The connection is lost: code can be run again when the server is back.';
    }
    return sandbox.running_allowed ? null : (sandbox.reason ?? 'Code cannot be run here.');
  }

  get stdin(): string {
    return this._stdin;
  }

  set stdin(text: string) {
    this._stdin = text;
    this._changed.emit();
  }

  /** Run what this person sees: the server has it before it is asked to run it. */
  async run(): Promise<void> {
    await this.runs.run(undefined, this._stdin ? { stdin: this._stdin } : {}, () => this._saved(RUN_WAITS_MS));
  }

  /** Run cells one after the other; what comes after one that fails is not run. */
  async runCells(ids: string[]): Promise<void> {
    await this._saved(RUN_WAITS_MS);
    const [first] = ids;
    if (ids.length === 1) {
      await this.runs.run(first);
      return;
    }
    try {
      await Promise.all(ids.map(id => this._cells.run(id)));
    } catch (error) {
      this.tell(wordsOf(error));
    }
  }

  /** The text of the pad as it is here, of a notebook that of all its cells. */
  padText(): string {
    if (this._room.pad_type === 'file') {
      return this.pad.doc.getText('source').toString();
    }
    const cells = this.pad.doc.getArray<Y.Map<unknown>>('cells').toArray();
    return cells.map(cell => String(cell.get('source'))).join('\n\n');
  }

  /** Show words for some seconds, with what can be done about them. */
  tell(words: string, action: IToastAction | null = null): void {
    this._toast = words;
    this._toastAction = action;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this.forgetToast();
    }, TOAST_MS);
    this._changed.emit();
  }

  forgetToast(): void {
    this._toast = '';
    this._toastAction = null;
    this._changed.emit();
  }

  /** The link by which this person came, if this browser knows it. */
  ownLink(): string | null {
    const code = readInvite(this.config.roomId);
    return code && new URL(`${this.config.baseUrl}join/${code}`, location.href).href;
  }

  /** A new link that gives a role; null after telling why not. */
  async newLink(role: Role): Promise<string | null> {
    try {
      const path = `rooms/${this.config.roomId}/invites`;
      const invite = await this.api.request<IInvite>('POST', path, { role });
      return new URL(invite.url ?? '', location.href).href;
    } catch (error) {
      this.tell(wordsOf(error));
      return null;
    }
  }

  async leave(): Promise<void> {
    await this._saved(LEAVE_WAITS_MS);
    if (this.pad.unsaved && !window.confirm('Your last changes are not saved yet. Leave all the same?')) {
      return;
    }
    this._left = true; // before the server cuts the line: that is no surprise now
    this._changed.emit();
    try {
      await this.api.request('POST', `rooms/${this.config.roomId}/leave`);
      this.pad.dispose();
      this.runs.provider.dispose();
    } catch (error) {
      this._left = false;
      this.tell(wordsOf(error));
    }
  }

  /** Wait until the server has everything on disk, or for the time given. */
  private async _saved(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (this.pad.status === 'saving' && Date.now() < deadline) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(done, deadline - Date.now());
        const { pad } = this;
        function done(): void {
          clearTimeout(timer);
          pad.statusChanged.disconnect(done);
          resolve();
        }
        pad.statusChanged.connect(done);
      });
    }
  }

  /** The server's operators see how long changes take for people, not only for the server. */
  private _tellLatency(): void {
    if (this.pad.status !== 'saved' && this.pad.status !== 'saving') {
      return; // there is nobody to tell
    }
    const milliseconds = this.pad.takeLatencies().map(time => Math.min(time, LATENCY_LIMIT_MS));
    if (milliseconds.length > 0) {
      // Nobody waits for it, and nobody misses it.
      this.api.request('POST', `rooms/${this.config.roomId}/latency`, { milliseconds }).catch(() => undefined);
    }
  }

  /** What was told while the line was down is asked for. */
  private _onStatus(status: SyncStatus): void {
    if (status === 'saved' && this._lineWasDown) {
      this._lookForConflict();
      void this.mainFile.load();
    }
    this._lineWasDown = status === 'offline' || status === 'connecting' || (this._lineWasDown && status !== 'saved');
  }

  private _lookForConflict(): void {
    if (this.may('edit')) {
      void this.conflict.look();
    }
  }

  get left(): boolean {
    return this._left;
  }

  private readonly _onEvent = (_: unknown, event: IRoomEvent): void => {
    if (event.type === 'refused') {
      // What is here differs from the room's pad for good: it is shown to be copied, and left.
      this._refusedText = this.padText();
      this.pad.dispose();
      this._changed.emit();
    } else if (event.type === 'files') {
      void this.mainFile.load();
    } else if (event.type === 'conflict') {
      this._lookForConflict();
    } else if (event.type === 'room') {
      const { language, main_file: mainFile } = this._room;
      const couldRun = this.may('run');
      this._room = event['room'] as IRoom;
      this.control.learnClock(this._room);
      if (this._room.language !== language) {
        this.tell(`The language of the room is ${this.languages.nameOf(this._room.language)} now.`);
        void this.mainFile.load();
      } else if (this._room.main_file !== mainFile) {
        void this.mainFile.load().then(() => this.tell(`Run starts ${this.mainFile.current || 'the pad'} now.`));
      } else if (!couldRun) {
        void this.mainFile.load();
      }
      document.title = `${this._room.title} – Codepad`;
      this._changed.emit();
    }
  };
}
