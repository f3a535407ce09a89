/** Plugin: runs cells of rooms' notebooks in their room, and all others as JupyterLab does. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import { PageConfig } from '@jupyterlab/coreutils';
import { INotebookCellExecutor, KernelError, runCell } from '@jupyterlab/notebook';
import type { ServerConnection } from '@jupyterlab/services';
import { wordsOf } from '../api';
import type { NotebookRuns } from '../execution/notebook_runs';
import type { RoomNotebooks } from './room_notebooks';
import { IRoomNotebooks } from './tokens';

type Options = INotebookCellExecutor.IRunCellOptions;

export const executorPlugin: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: 'jupyter-codepad:cell-executor',
  description: 'Runs cells of rooms’ notebooks in their room, and all others as JupyterLab does.',
  autoStart: true,
  requires: [IRoomNotebooks],
  provides: INotebookCellExecutor,
  activate: async (app: JupyterFrontEnd, notebooks: RoomNotebooks): Promise<INotebookCellExecutor> => {
    const stock = await stockExecutor(app.serviceManager.serverSettings);
    return Object.freeze({
      runCell: async (options: Options): Promise<boolean> => {
        if (options.cell.model.type !== 'code') {
          return stock.runCell(options);
        }
        const room = await notebooks.of(options.notebook);
        if (room) {
          return runInRoom(room, options);
        }
        await kernelChosen(options);
        return !options.cell.isDisposed && stock.runCell(options);
      }
    });
  }
};

/** There can be one executor only: what would be it without us, which package.json turns off. */
async function stockExecutor(serverSettings: ServerConnection.ISettings): Promise<INotebookCellExecutor> {
  if (PageConfig.getOption('serverSideExecution') === 'true') {
    try {
      const { NotebookCellServerExecutor } = await import('@jupyter/docprovider');
      return new NotebookCellServerExecutor({ serverSettings });
    } catch {
      // The front end of jupyter-collaboration is not there: the option says nothing.
    }
  }
  return { runCell };
}

/**
 * Wait until a notebook that has just been opened has its kernel, or is known to have none.
 *
 * JupyterLab empties a cell that is run before that, and says nothing.
 */
async function kernelChosen({ cell, sessionContext }: Options): Promise<void> {
  if (sessionContext && !sessionContext.isReady) {
    const model = cell.model as ICodeCellModel;
    cell.setPrompt('*');
    await sessionContext.initialize().catch(() => undefined); // it is being done already
    if (!cell.isDisposed) {
      cell.setPrompt(`${model.executionCount ?? ''}`);
    }
  }
}

/** Run a cell, and say of it what JupyterLab says of one that its own kernel has run. */
async function runInRoom(room: NotebookRuns, options: Options): Promise<boolean> {
  const { cell, onCellExecuted, onCellExecutionScheduled } = options;
  const model = cell.model as ICodeCellModel;
  if (!model.sharedModel.getSource().trim()) {
    return true;
  }
  onCellExecutionScheduled({ cell });
  cell.setPrompt('*'); // here only: the shared cell says so once it runs
  let status: string | null = null;
  try {
    status = await room.run(model.id);
  } catch (error) {
    Notification.warning(wordsOf(error), { autoClose: 6000 });
    return false;
  } finally {
    if (!cell.isDisposed) {
      cell.setPrompt(model.executionState === 'running' ? '*' : `${model.executionCount ?? ''}`);
    }
  }
  if (cell.isDisposed || status === null) {
    return false;
  }
  if (status === 'ok') {
    onCellExecuted({ cell, success: true });
    return true;
  }
  const error = kernelError(model, status);
  onCellExecuted({ cell, success: false, error });
  throw error;
}

function kernelError(model: ICodeCellModel, status: string): KernelError {
  const found = model.sharedModel.getOutputs().find(output => output.output_type === 'error');
  const { ename, evalue, traceback } = found ?? { ename: 'Stopped', evalue: status, traceback: [] };
  return new KernelError({ status: 'error', ename, evalue, traceback } as ConstructorParameters<typeof KernelError>[0]);
}
