/** Plugin: undo in a shared notebook keeps what others wrote, and the output of runs. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { guardUndo, type ISharedNotebook } from '../editor/notebook_undo';

const REFUSED = 'This was not undone: somebody has changed the cell since, or it has output now.';
const SHOWN_MS = 5000;

export const undoPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-codepad:undo',
  description: 'Keeps what others wrote, and the output of runs, when cells are taken back.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (_, { model }) => {
        if (model.collaborative) {
          guardUndo(model.sharedModel as unknown as ISharedNotebook, () => {
            Notification.info(REFUSED, { autoClose: SHOWN_MS });
          });
        }
      }
    });
  }
};
