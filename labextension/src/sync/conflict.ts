/** Two versions of one document, of which somebody has to choose. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, ApiError, wordsOf } from '../api';

export type Keep = 'mine' | 'theirs' | 'both';

export interface IConflict {
  id: string;
  since: string;
  path: string;
  reason: 'file_changed' | 'old_client';
  /** Whose text the other version is, if it is not the file's. */
  who: string | null;
  /** What is in the document now. */
  mine: string;
  theirs: string;
  truncated: boolean;
}

interface IAnswer {
  conflict: IConflict | null;
}

export class ConflictModel {
  private _conflict: IConflict | null = null;
  private _asking = false;
  private _busy = false;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _told = new Signal<this, string>(this);

  /** `path`: the REST route of the document's conflict, below `codepad/api/`. */
  constructor(
    private readonly _api: Api,
    private readonly _path: string
  ) {}

  /** The two versions, if there are two. */
  get conflict(): IConflict | null {
    return this._conflict;
  }

  /** Whether the choice is being asked for now, and has not been put off. */
  get asking(): boolean {
    return this._asking && this._conflict !== null;
  }

  /** Whether a choice is on its way. */
  get busy(): boolean {
    return this._busy;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Something to tell the person, in words. */
  get told(): ISignal<this, string> {
    return this._told;
  }

  /** See whether there are two versions now; who may not choose hears nothing. */
  async look(): Promise<void> {
    try {
      this._take((await this._api.request<IAnswer>('GET', this._path)).conflict);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 403 || error.status === 404)) {
        this._take(null);
      }
    }
  }

  /** Decide later: both versions stay. */
  later(): void {
    this._asking = false;
    this._changed.emit();
  }

  again(): void {
    this._asking = true;
    this._changed.emit();
  }

  async choose(keep: Keep): Promise<void> {
    if (!this._conflict || this._busy) {
      return;
    }
    this._busy = true;
    this._changed.emit();
    try {
      const body = { id: this._conflict.id, keep };
      this._take((await this._api.request<IAnswer>('POST', this._path, body)).conflict);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'conflict_over') {
        this._told.emit('Somebody else has chosen already.');
        await this.look();
      } else {
        this._told.emit(wordsOf(error));
      }
    }
    this._busy = false;
    this._changed.emit();
  }

  private _take(conflict: IConflict | null): void {
    const before = this._conflict;
    this._conflict = conflict;
    if (conflict && conflict.id !== before?.id) {
      this._asking = true;
    }
    if (!conflict && before && !this._busy) {
      this._told.emit(`There is one version of ${name(before.path)} again.`);
    }
    this._changed.emit();
  }
}

export function name(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export interface ILine {
  text: string;
  /** Whether the other side has no such line here. */
  own: boolean;
}

const CELLS_LIMIT = 4_000_000;

/** Both texts line by line, each with what only it has (longest common subsequence of lines). */
export function compare(mine: string, theirs: string): [ILine[], ILine[]] {
  const [a, b] = [mine.split('\n'), theirs.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) {
    start += 1;
  }
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) {
    end += 1;
  }
  const [common, other] = inCommon(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const marked = (lines: string[], kept: Set<number>): ILine[] =>
    lines.map((text, at) => ({ text, own: at >= start && at < lines.length - end && !kept.has(at - start) }));
  return [marked(a, common), marked(b, other)];
}

function inCommon(a: string[], b: string[]): [Set<number>, Set<number>] {
  const found: [Set<number>, Set<number>] = [new Set(), new Set()];
  if (a.length * b.length > CELLS_LIMIT) {
    return found;
  }
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => length[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      found[0].add(i++);
      found[1].add(j++);
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      i++;
    } else {
      j++;
    }
  }
  return found;
}
