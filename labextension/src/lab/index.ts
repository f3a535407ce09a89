/** The JupyterLab extension: one plugin for each area. */
import { conflictsPlugin } from './conflicts';
import { executorPlugin } from './executor';
import { notebooksPlugin, roomNotebooksPlugin } from './notebooks';
import { roomsPlugin } from './rooms';
import { runsPlugin } from './runs';
import { undoPlugin } from './undo';

export default [
  roomsPlugin,
  runsPlugin,
  conflictsPlugin,
  undoPlugin,
  roomNotebooksPlugin,
  executorPlugin,
  notebooksPlugin
];
