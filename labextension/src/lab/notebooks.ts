/** Plugin: a room's notebook in JupyterLab has the room's kernel, and never one of its own. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { type ISessionContext, ISessionContextDialogs, Notification } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { RunsModel } from '../execution/model';
import { NotebookRuns } from '../execution/notebook_runs';
import type { RoomsModel } from '../rooms/model';
import { CellNotes } from './cell_notes';
import { runRights } from './rights';
import { RoomNotebooks } from './room_notebooks';
import { IRoomNotebooks, IRooms } from './tokens';
import { codepadUrl, labApi, labProvider } from './transport';

const INTERRUPT = 'notebook:interrupt-kernel';
const ONE_KERNEL =
  'The cells of this notebook run in its room, for everybody there. To run them in a kernel of your own, copy the notebook.';

export const roomNotebooksPlugin: JupyterFrontEndPlugin<RoomNotebooks> = {
  id: 'jupyter-codepad:room-notebooks',
  description: 'Knows which open notebooks are rooms’.',
  autoStart: true,
  provides: IRoomNotebooks,
  activate: () => new RoomNotebooks()
};

export const notebooksPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-codepad:notebooks',
  description: 'Gives rooms’ notebooks the room’s kernel: its name, its state, stop and restart.',
  autoStart: true,
  requires: [IRooms, IRoomNotebooks, INotebookTracker],
  optional: [ISessionContextDialogs],
  activate: (
    app: JupyterFrontEnd,
    rooms: RoomsModel,
    notebooks: RoomNotebooks,
    tracker: INotebookTracker,
    dialogs: ISessionContextDialogs | null
  ): void => {
    const { contents, serverSettings } = app.serviceManager;
    const say = (words: string): void => void Notification.warning(words, { autoClose: 6000 });
    const find = async (path: string): Promise<NotebookRuns | null> => {
      const room = await rooms.roomOfNotebook(contents.localPath(path));
      if (!room) {
        return null;
      }
      const api = labApi(serverSettings);
      const provider = labProvider(serverSettings, room.id, 'runs');
      const runs = new RunsModel(provider, api, room.id, codepadUrl(serverSettings));
      runs.failed.connect((_, words) => say(words));
      provider.eventReceived.connect((_, event) => rooms.hear(room.id, event));
      return new NotebookRuns(runs, () => runRights(rooms, room, runs));
    };
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (widget, { model }) => {
        const panel = widget as NotebookPanel;
        if (model.collaborative) {
          const { context } = panel;
          notebooks.open(context, () => find(context.path), () => say(ONE_KERNEL));
          void notebooks.of(context.model)?.then(room => room && new CellNotes(panel, room));
        }
      }
    });
    app.commands.commandExecuted.connect((_, { id }) => {
      const panel = tracker.currentWidget;
      if (id === INTERRUPT && panel) {
        void notebooks.at(panel.sessionContext)?.stop(); // JupyterLab's own does nothing: it has no kernel
      }
    });
    if (dialogs) {
      answerFor(dialogs, notebooks, () => say(ONE_KERNEL));
    }
  }
};

/** Ask for no kernel where there is one already, and restart the room's. */
function answerFor(dialogs: ISessionContextDialogs, notebooks: RoomNotebooks, refuse: () => void): void {
  const { selectKernel, restart } = dialogs;
  dialogs.selectKernel = async (session: ISessionContext) =>
    notebooks.at(session) ? refuse() : selectKernel.call(dialogs, session);
  dialogs.restart = async (session, options) => {
    const room = notebooks.at(session);
    if (!room) {
      return restart.call(dialogs, session, options);
    }
    await options?.onBeforeRestart();
    await room.restart();
    return true;
  };
}
