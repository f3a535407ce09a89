/** Beside Run: which file of the room's folder it runs, for everybody; there is nothing to see of a single one. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, wordsOf } from '../api';
import { useSignal } from '../react';
import type { IRoom } from '../types';
import type { PageModel } from './model';

interface IMainFile {
  main_file: string | null;
  files: string[];
}

/** The programs in the room's folder. They are asked for when the server says that there are others. */
export class MainFileModel {
  private _files: string[] = [];
  private readonly _path: string;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _failed = new Signal<this, string>(this);

  constructor(
    private readonly _api: Api,
    roomId: string,
    /** The room as this person may see it now. */
    private readonly _room: () => IRoom
  ) {
    this._path = `rooms/${roomId}/main-file`;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Words for the person when a request is refused. */
  get failed(): ISignal<this, string> {
    return this._failed;
  }

  /** What Run runs, by its path in the folder; empty until it is known. */
  get current(): string {
    return this._room().main_file ?? this._files[0] ?? '';
  }

  /** What there is to choose from; empty when there is nothing to choose. */
  get choices(): string[] {
    const { current } = this;
    const all = current && !this._files.includes(current) ? [...this._files, current] : this._files;
    return all.length > 1 ? all : [];
  }

  /** Whether a file is in the folder. */
  isThere(path: string): boolean {
    return this._files.includes(path);
  }

  async load(): Promise<void> {
    const room = this._room();
    if (room.pad_type !== 'file' || !room.permissions.includes('run')) {
      return;
    }
    try {
      this._files = (await this._api.request<IMainFile>('GET', this._path)).files;
      this._changed.emit();
    } catch {
      // It is asked for again.
    }
  }

  async choose(path: string): Promise<void> {
    try {
      await this._api.request<IRoom>('PUT', this._path, { main_file: path });
    } catch (error) {
      this._failed.emit(wordsOf(error));
      void this.load();
    }
  }
}

export function MainFileMenu(props: { model: PageModel }): JSX.Element | null {
  const { mainFile } = props.model;
  useSignal(mainFile.changed);
  const { choices, current } = mainFile;
  if (choices.length === 0) {
    return null;
  }
  return (
    <select
      className="cp-input cp-main-file"
      data-testid="main-file"
      aria-label="File that Run starts"
      title="The file that Run starts, for everybody in the room"
      value={current}
      onChange={event => void mainFile.choose(event.target.value)}
    >
      {choices.map(path => (
        <option key={path} value={path}>
          {mainFile.isThere(path) ? path : `${path} (not there)`}
        </option>
      ))}
    </select>
  );
}
