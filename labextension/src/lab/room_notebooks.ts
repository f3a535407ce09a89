/** Which of the notebooks open in JupyterLab are rooms', and what runs their cells. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import type { NotebookRuns } from '../execution/notebook_runs';
import { mirrorOutputs } from './output_mirror';
import { holdUntil, seatInRoom } from './room_session';

/** A server that does not answer must not keep a notebook of no room from its kernel. */
const LOOK_MS = 5_000;

export class RoomNotebooks {
  private readonly _opened = new WeakMap<INotebookModel, Promise<NotebookRuns | null>>();
  private readonly _seated = new WeakMap<ISessionContext, NotebookRuns>();

  /**
   * What runs the cells of a notebook; null when JupyterLab does.
   *
   * A promise while it is not known yet, and of a room's notebook.
   */
  of(notebook: INotebookModel): Promise<NotebookRuns | null> | null {
    return this._opened.get(notebook) ?? null;
  }

  /** The same, by the notebook's session. */
  at(session: ISessionContext): NotebookRuns | null {
    return this._seated.get(session) ?? null;
  }

  /**
   * Take in a notebook that is being opened; `find` makes what runs its cells, if it is a room's.
   *
   * Its session chooses no kernel before that is known. `refuse` is called when somebody wants another.
   */
  open(context: NotebookPanel['context'], find: () => Promise<NotebookRuns | null>, refuse: () => void): void {
    const { model, sessionContext } = context;
    if (this._opened.has(model) || this._seated.has(sessionContext) || sessionContext.isReady) {
      return; // a second view of it
    }
    const known = this._find(find).then(room => {
      if (!room || context.isDisposed) {
        room?.dispose();
        this._opened.delete(model);
        return null;
      }
      context.disposed.connect(() => room.dispose());
      this._seated.set(sessionContext, room);
      seatInRoom(sessionContext, room, refuse);
      mirrorOutputs(model);
      return room;
    });
    this._opened.set(model, known);
    holdUntil(sessionContext, known);
  }

  private async _find(find: () => Promise<NotebookRuns | null>): Promise<NotebookRuns | null> {
    let late = false;
    const found = find().then(room => {
      if (late) {
        room?.dispose();
      }
      return room;
    });
    const enough = new Promise<null>(resolve => setTimeout(() => resolve(null), LOOK_MS));
    const first = await Promise.race([found.catch(() => null), enough]);
    late = first === null;
    return first;
  }
}
