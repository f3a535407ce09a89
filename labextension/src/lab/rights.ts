/** What the person at this JupyterLab may do with the code of a room. */
import type { RunsModel } from '../execution/model';
import type { IRunRights } from '../execution/view';
import { pausedWords } from '../people/roles';
import type { RoomsModel } from '../rooms/model';
import type { IRoom } from '../types';

export function runRights(rooms: RoomsModel, opened: IRoom, model: RunsModel): IRunRights {
  const room = rooms.room(opened.id) ?? opened;
  const { sandbox } = rooms;
  return {
    mayRun: room.permissions.includes('run') && !model.provider.end,
    paused: pausedWords(room, 'run'),
    me: room.me?.id ?? null,
    unavailable: sandbox && !sandbox.running_allowed ? (sandbox.reason ?? '') : null
  };
}
