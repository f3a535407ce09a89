/** Asks which version to keep when a shared document of this server has two. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification, ReactWidget } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ConflictModel, name } from '../sync/conflict';
import { ConflictChoice } from '../sync/conflict_view';
import { labApi } from './transport';

const SCHEMA = 'https://events.jupyter.org/jupyter_codepad/conflict/v1';

export const conflictsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-codepad:conflicts',
  description: 'Asks which version to keep when a file was changed outside of its shared document.',
  autoStart: true,
  requires: [IDocumentManager],
  activate: (app: JupyterFrontEnd, documents: IDocumentManager) => {
    const { contents, events, serverSettings } = app.serviceManager;
    const models = new Map<string, ConflictModel>();
    const look = (path: string): void => {
      let model = models.get(path);
      if (!model) {
        model = new ConflictModel(labApi(serverSettings), `conflicts?path=${encodeURIComponent(path)}`);
        models.set(path, model);
        ask(model);
      }
      void model.look();
    };
    events.stream.connect((_, event) => {
      const path: unknown = event['path'];
      if (event.schema_id === SCHEMA && typeof path === 'string') {
        look(path);
      }
    });
    app.shell.currentChanged?.connect((_, { newValue }) => {
      const context = newValue ? documents.contextForWidget(newValue) : undefined;
      if (context?.model.collaborative) {
        look(contents.localPath(context.path));
      }
    });
  }
};

/** Show a dialog while there is something to choose. */
function ask(model: ConflictModel): void {
  let dialog: Dialog<unknown> | null = null;
  model.told.connect((_, words) => void Notification.info(words));
  model.changed.connect(() => {
    const { conflict } = model;
    if (!conflict || !model.asking) {
      dialog?.dispose();
      dialog = null;
    } else if (!dialog) {
      dialog = new Dialog({
        title: `Two versions of ${name(conflict.path)}`,
        body: ReactWidget.create(<ConflictChoice model={model} conflict={conflict} />),
        buttons: [Dialog.cancelButton({ label: 'Decide later' })]
      });
      dialog.addClass('cp-conflict-dialog');
      void dialog.launch().then(() => {
        dialog = null;
        model.later();
      });
    }
  });
}
