/** What is used of jupyter-collaboration's front end, where it is there. */
declare module '@jupyter/docprovider' {
  import type { INotebookCellExecutor } from '@jupyterlab/notebook';
  import type { ServerConnection } from '@jupyterlab/services';

  /** Has the server run cells (its option `server_side_execution`). */
  export class NotebookCellServerExecutor implements INotebookCellExecutor {
    constructor(options: { serverSettings: ServerConnection.ISettings });
    runCell(options: INotebookCellExecutor.IRunCellOptions): Promise<boolean>;
  }
}
