/** Below the cells of a room's notebook in JupyterLab: what their newest runs ask, and how they ended. */
import { ReactWidget } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { PanelLayout, Widget } from '@lumino/widgets';
import { createRoot } from 'react-dom/client';
import { CellRun, saysMore } from '../execution/cell_run';
import { newestOfCells } from '../execution/model';
import type { NotebookRuns } from '../execution/notebook_runs';
import { AskedNews } from '../execution/stdin';

export class CellNotes {
  private readonly _notes = new WeakMap<Widget, Widget>();

  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _room: NotebookRuns
  ) {
    if (_panel.isDisposed) {
      return;
    }
    _room.runs.changed.connect(this._update, this);
    // Cells that are moved get another widget, a moment later.
    const later = (): void => void requestAnimationFrame(() => this._update());
    _panel.content.model?.cells.changed.connect(later);
    _panel.disposed.connect(() => _room.runs.changed.disconnect(this._update, this));
    this._tellOfQuestions();
    this._update();
  }

  /** What is asked is said to those who do not see it. */
  private _tellOfQuestions(): void {
    const node = document.createElement('div');
    this._panel.node.append(node);
    const root = createRoot(node);
    root.render(<AskedNews model={this._room.runs} />);
    this._panel.disposed.connect(() => root.unmount());
  }

  private _update(): void {
    if (this._panel.isDisposed) {
      return;
    }
    const { runs } = this._room;
    const newest = newestOfCells(runs.runs);
    for (const cell of this._panel.content.widgets) {
      const { id } = cell.model;
      const run = newest.get(id);
      const note = this._notes.get(cell);
      if (!run || !saysMore(run)) {
        note?.dispose();
        this._notes.delete(cell);
      } else if (!note || note.isDisposed) {
        const made = ReactWidget.create(<CellRun model={runs} cellId={id} rights={this._room.rights} />);
        made.addClass('cp-cell-note');
        made.node.dataset['lmSuppressShortcuts'] = 'true'; // what is typed there is an answer
        this._notes.set(cell, made);
        void cell.ready.then(() => {
          if (!made.isDisposed && !cell.isDisposed) {
            (cell.layout as PanelLayout).addWidget(made);
          }
        });
      }
    }
  }
}
