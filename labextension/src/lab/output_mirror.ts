/**
 * Keeps what JupyterLab shows of a room's cells equal to their shared outputs, calmly.
 *
 * JupyterLab takes every change by others for one at the end: a display that is updated in its place
 * would go to the bottom, text that a progress bar overwrites would pile up, and of two streams that
 * change at once one would be missed. And it draws all of a text for each piece that comes, so that
 * a program that floods would keep everybody from typing. Here outputs are put right in this browser
 * only, as often as there is time for it, and of a long text the end is shown.
 */
import type { CodeCellModel, ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt, type PartialJSONObject } from '@lumino/coreutils';
import type { Slot } from '@lumino/signaling';
import { CalmDrawing, letterCame, somebodyTypes } from '../calm';
import { overwritten } from '../execution/overwrite';
import { endBegins, hiddenWords, SHOWN_CHARACTERS } from '../execution/terminal';

type IOutput = ReturnType<CodeCellModel['outputs']['toJSON']>[number];
type Shown = CodeCellModel['outputs'];
type ShownChange = Parameters<Parameters<Shown['changed']['connect']>[0]>[1];
type SharedCell = CodeCellModel['sharedModel'];
type Change = Parameters<Parameters<SharedCell['changed']['connect']>[0]>[1];

/** So much of the end of a text is shown while more comes, or somebody types: JupyterLab draws it anew each time. */
const MOVING_CHARACTERS = 20_000;
/** The same while both is so: no letter waits long for it. */
const TYPING_CHARACTERS = 2_000;
/** After so long without the one or the other more is shown. */
const STILL_MS = 1000;

export function mirrorOutputs(notebook: INotebookModel): void {
  const watched = new WeakSet<ICellModel>();
  const watch = (): void => {
    for (const cell of notebook.cells) {
      if (cell.type === 'code' && !watched.has(cell)) {
        watched.add(cell);
        new Mirror(cell as CodeCellModel);
      }
    }
  };
  notebook.cells.changed.connect(watch);
  watch();
}

class Mirror {
  private readonly _drawing = new CalmDrawing(() => this._draw());
  /** JupyterLab's own ways from and to the shared outputs. */
  private readonly _read: Slot<SharedCell, Change>;
  private readonly _write: Slot<Shown, ShownChange>;
  private _changedAt = -Infinity;
  private _still: ReturnType<typeof setTimeout> | undefined;
  private _ours = false;

  constructor(private readonly _cell: CodeCellModel) {
    this._read = Reflect.get(_cell, '_onSharedModelChanged') as Slot<SharedCell, Change>;
    this._write = Reflect.get(_cell, 'onOutputsChange') as Slot<Shown, ShownChange>;
    _cell.sharedModel.changed.disconnect(this._read, _cell);
    _cell.sharedModel.changed.connect(this._onShared, this);
    _cell.outputs.changed.disconnect(this._write, _cell);
    _cell.outputs.changed.connect(this._onShown, this);
    this._drawing.ask();
  }

  private _onShared(shared: SharedCell, change: Change): void {
    this._read.call(this._cell, shared, { ...change, outputsChange: undefined, streamOutputChange: undefined });
    if (change.sourceChange) {
      letterCame();
    } else {
      // Not only for changes of outputs: displays that are updated in their place are none.
      this._changedAt = performance.now();
      this._drawing.ask();
    }
  }

  /** What is shown is not all there is: of it only that a person has cleared it goes to the others. */
  private _onShown(shown: Shown, change: ShownChange): void {
    if (change.type === 'clear' && !this._ours) {
      this._write.call(this._cell, shown, change);
    }
  }

  private _draw(): void {
    if (this._cell.isDisposed) {
      clearTimeout(this._still);
      return;
    }
    const moves = performance.now() - this._changedAt < STILL_MS;
    const most = [SHOWN_CHARACTERS, MOVING_CHARACTERS, TYPING_CHARACTERS][Number(moves) + Number(somebodyTypes())];
    this._ours = true;
    try {
      const left = putRight(this._cell, most);
      clearTimeout(this._still);
      if (left && most < SHOWN_CHARACTERS) {
        this._still = setTimeout(() => this._drawing.ask(), STILL_MS);
      }
    } finally {
      this._ours = false;
    }
  }
}

/** Show the shared outputs, of each text so many characters; whether there are longer ones. */
function putRight(cell: CodeCellModel, characters: number): boolean {
  const { outputs } = cell;
  const shared = cell.sharedModel.getOutputs();
  const wanted = shared.map(output => shown(output, characters));
  const there = outputs.toJSON();
  if (!there.every((output, i) => isOneKind(output, wanted[i]))) {
    outputs.clear(); // or it would take a text for the end of one that is there no more
  }
  wanted.forEach((output, i) => {
    if (i >= outputs.length) {
      outputs.add(output);
    } else if (!isSame(output, there[i])) {
      outputs.set(i, output);
    }
  });
  return shared.some(output => output.output_type === 'stream' && textOf(output['text']).length > characters);
}

function shown(output: IOutput, characters: number): IOutput {
  return output.output_type === 'stream' ? { ...output, text: endOf(overwritten(textOf(output['text'])), characters) } : output;
}

/** The end of a text, and how much is before it. */
function endOf(text: string, characters: number): string {
  const from = endBegins(text, characters);
  return from > 0 ? hiddenWords(from) + text.slice(from) : text;
}

function textOf(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text ?? '');
}

function isOneKind(one: IOutput, other: IOutput | undefined): boolean {
  return one.output_type === other?.output_type && one['name'] === other['name'];
}

function isSame(one: IOutput, other: IOutput | undefined): boolean {
  if (!other || one.output_type !== other.output_type) {
    return false;
  }
  if (one.output_type === 'stream') {
    return one['name'] === other['name'] && textOf(one['text']) === textOf(other['text']);
  }
  return one.output_type === 'error'
    ? one['evalue'] === other['evalue']
    : JSONExt.deepEqual((one['data'] ?? {}) as PartialJSONObject, (other['data'] ?? {}) as PartialJSONObject);
}
