/** The session of a notebook whose cells run in a room: JupyterLab never has a kernel for it. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import type { ISignal, Signal } from '@lumino/signaling';
import type { NotebookRuns } from '../execution/notebook_runs';

export const ROOM_KERNEL = 'Room kernel';

/**
 * Have a session choose and start no kernel before it is known whether it may (`known`: its room, or null).
 *
 * One of a room is never ready, like one whose kernel is not chosen yet: plugins that wait for it, such as
 * that of ipywidgets, take for granted that there is a kernel then.
 */
export function holdUntil(session: ISessionContext, known: Promise<NotebookRuns | null>): void {
  const initialize = session.initialize.bind(session);
  session.initialize = async () => ((await known) ? false : initialize());
}

/**
 * Have a session answer for the room's kernel, and start none itself.
 *
 * JupyterLab asks it for a name and a status (toolbar, status bar) and to restart; `refuse` is called
 * when somebody wants another kernel. All of this is of one session: those of others stay as they are.
 */
export function seatInRoom(session: ISessionContext, room: NotebookRuns, refuse: () => void): void {
  session.kernelPreference = {
    ...session.kernelPreference,
    shouldStart: false,
    canStart: false,
    autoStartDefault: false,
    shouldReuse: false
  };
  Object.defineProperties(session, {
    kernelDisplayName: { get: () => ROOM_KERNEL },
    kernelDisplayStatus: { get: () => room.status }
  });
  session.startKernel = async () => false;
  session.changeKernel = async () => {
    refuse();
    return null;
  };
  session.restartKernel = () => room.restart();
  session.shutdown = async () => undefined;
  const tell = (): void => {
    const status: Kernel.Status = room.status === 'busy' ? 'busy' : 'idle';
    emitter(session.statusChanged).emit(status);
  };
  room.statusChanged.connect(tell);
  // The toolbar draws the name when the kernel changes.
  emitter(session.kernelChanged).emit({ name: 'kernel', oldValue: null, newValue: null });
  tell();
}

function emitter<S, T>(signal: ISignal<S, T>): Signal<S, T> {
  return signal as Signal<S, T>;
}
