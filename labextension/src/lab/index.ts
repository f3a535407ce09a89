/** The JupyterLab extension: one plugin for each area. */
import { conflictsPlugin } from './conflicts';
import { roomsPlugin } from './rooms';
import { runsPlugin } from './runs';

export default [roomsPlugin, runsPlugin, conflictsPlugin];
