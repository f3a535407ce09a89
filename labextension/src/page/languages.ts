/** The languages that this server offers to a room, and how the editor treats the room's. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, wordsOf } from '../api';
import { type IEditorLanguage, usual } from '../editor/languages';
import type { ILanguage, IRoom, PadType } from '../types';

export class LanguagesModel {
  private _languages: ILanguage[] | null = null;
  private _loading: Promise<void> | null = null;
  private _changing = false;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _failed = new Signal<this, string>(this);

  constructor(
    private readonly _api: Api,
    private readonly _roomId: string
  ) {}

  /** All languages, or null until they are known. */
  get languages(): ILanguage[] | null {
    return this._languages;
  }

  /** Those that a pad of a kind can be in, or null until they are known. */
  offered(kind: PadType): ILanguage[] | null {
    return kind === 'notebook' ? (this._languages?.filter(one => one.notebook) ?? null) : this._languages;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Words for the person when a request is refused. */
  get failed(): ISignal<this, string> {
    return this._failed;
  }

  /** Whether a change is asked for and not answered yet. */
  get changing(): boolean {
    return this._changing;
  }

  find(id: string): ILanguage | null {
    return this._languages?.find(one => one.id === id) ?? null;
  }

  /** What people call a language. */
  nameOf(id: string): string {
    return this.find(id)?.name ?? id.charAt(0).toUpperCase() + id.slice(1);
  }

  /** How the editor treats a language: what is usual until the server has said more. */
  editor(id: string): IEditorLanguage {
    const language = this.find(id);
    const common = usual(language?.editor_mode ?? id);
    return { ...common, comment: language?.comment ?? common.comment, indent: language?.indent ?? common.indent };
  }

  /** Ask the server once; later calls wait for the same answer. */
  load(): Promise<void> {
    this._loading ??= this._api
      .request<{ languages: ILanguage[] }>('GET', `rooms/${this._roomId}/languages`)
      .then(answer => {
        this._languages = answer.languages;
        this._changed.emit();
      })
      .catch(() => {
        this._loading = null; // asked again when somebody opens the menu
      });
    return this._loading;
  }

  /** Whether a text is worth a question before it is replaced by the starter of another language. */
  isOwnText(text: string, room: IRoom): boolean {
    const starter = this.find(room.language)?.starter_text ?? '';
    return text.trim() !== '' && text.trim() !== starter.trim();
  }

  /** Give the room another language; its text is kept, or replaced by the starter. */
  async change(id: string, starter: boolean): Promise<void> {
    if (this._changing) {
      return;
    }
    this._changing = true;
    this._changed.emit();
    try {
      await this._api.request<IRoom>('POST', `rooms/${this._roomId}/language`, { language: id, starter });
    } catch (error) {
      this._failed.emit(wordsOf(error));
    } finally {
      this._changing = false;
      this._changed.emit();
    }
  }
}
