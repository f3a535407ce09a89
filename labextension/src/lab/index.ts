/** The JupyterLab extension: one plugin for each area. */
import { roomsPlugin } from './rooms';
import { runsPlugin } from './runs';

export default [roomsPlugin, runsPlugin];
