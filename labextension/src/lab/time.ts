/** Tells the host in JupyterLab that a room with people in it is about to end. */
import { Notification } from '@jupyterlab/apputils';
import { hoursUntil } from '../rooms/control';
import type { RoomsModel } from '../rooms/model';

const WARN_MINUTES = [10, 1];
const MINUTE_MS = 60_000;

/** Warns once for each of the times, and again when the room was given more. */
export function warnOfEnds(model: RoomsModel): void {
  const told = new Set<string>();
  model.changed.connect(() => {
    for (const room of model.rooms ?? []) {
      if (room.state !== 'open' || room.online === 0 || !room.permissions.includes('manage')) {
        continue;
      }
      const control = model.control(room.id);
      const left = (Date.parse(room.expires_at) - control.now()) / MINUTE_MS;
      const due = WARN_MINUTES.filter(minutes => left <= minutes && left > 0).pop();
      const key = `${room.id} ${room.expires_at} ${due}`;
      if (due === undefined || told.has(key)) {
        continue;
      }
      told.add(key);
      Notification.warning(`“${room.title}” ends in ${due === 1 ? '1 minute' : `${Math.ceil(left)} minutes`}.`, {
        autoClose: due * MINUTE_MS,
        actions: [
          {
            label: '+30 min',
            callback: () => void control.room({ expires_in_hours: hoursUntil(room, 0.5, control.now()) })
          }
        ]
      });
    }
  });
}
