/**
 * Keeps what JupyterLab shows of a room's cells equal to their shared outputs.
 *
 * JupyterLab takes every change by others for one at the end: a display that is updated in its place
 * would go to the bottom, text that a progress bar overwrites would pile up, and of two streams that
 * change at once one would be missed. What differs afterwards is put right here, in this browser only.
 */
import type { CodeCellModel, ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt, type PartialJSONObject } from '@lumino/coreutils';
import type { Slot } from '@lumino/signaling';
import { overwritten } from '../execution/overwrite';

type IOutput = ReturnType<CodeCellModel['outputs']['toJSON']>[number];

export function mirrorOutputs(notebook: INotebookModel): void {
  const watched = new WeakSet<ICellModel>();
  const watch = (): void => {
    for (const cell of notebook.cells) {
      if (cell.type === 'code' && !watched.has(cell)) {
        watched.add(cell);
        mirror(cell as CodeCellModel);
      }
    }
  };
  notebook.cells.changed.connect(watch);
  watch();
}

function mirror(cell: CodeCellModel): void {
  let asked = false;
  const look = (): void => {
    asked = false;
    if (!cell.isDisposed) {
      putRight(cell);
    }
  };
  const soon = (): void => {
    if (!asked) {
      asked = true;
      queueMicrotask(look);
    }
  };
  cell.sharedModel.changed.connect((_, change) => {
    // Streams and displays; not what this person types.
    if (!change.sourceChange) {
      soon();
    }
  });
  soon();
}

function putRight(cell: CodeCellModel): void {
  const { outputs } = cell;
  const wanted = cell.sharedModel.getOutputs().map(shown);
  const there = outputs.toJSON();
  if (wanted.length === there.length && wanted.every((output, i) => isSame(output, there[i]))) {
    return;
  }
  // What this browser does to its outputs would be written into the shared ones.
  const write = Reflect.get(cell, 'onOutputsChange') as Slot<typeof outputs, unknown>;
  outputs.changed.disconnect(write, cell);
  try {
    for (let i = outputs.length - 1; i >= wanted.length; i--) {
      outputs.remove(i);
    }
    wanted.forEach((output, i) => {
      if (i >= outputs.length) {
        outputs.add(output);
      } else if (!isSame(output, there[i])) {
        outputs.set(i, output);
      }
    });
  } finally {
    outputs.changed.connect(write, cell);
  }
}

function shown(output: IOutput): IOutput {
  return output.output_type === 'stream' ? { ...output, text: overwritten(textOf(output['text'])) } : output;
}

function textOf(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text ?? '');
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
