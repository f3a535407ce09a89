/** Tells the host in JupyterLab who waits in a lobby, for as long as they wait. */
import { Notification } from '@jupyterlab/apputils';
import type { RoomsModel } from '../rooms/model';

export function announceKnocks(model: RoomsModel): void {
  const shown = new Map<string, { roomId: string; notification: string }>();
  model.knocked.connect((_, { room, person }) => {
    const control = model.control(room.id);
    const notification = Notification.info(`${person.name} wants to join “${room.title}”.`, {
      autoClose: false,
      actions: [
        { label: 'Admit', displayType: 'accent', callback: () => void control.admit(person.id) },
        { label: 'Deny', callback: () => void control.deny(person.id) }
      ]
    });
    shown.set(person.id, { roomId: room.id, notification });
  });
  model.changed.connect(() => {
    for (const [personId, { roomId, notification }] of shown) {
      const room = model.room(roomId);
      const waits = room && room.waiting > 0 && model.waitingOf(roomId).some(one => one.id === personId);
      if (!waits) {
        Notification.dismiss(notification);
        shown.delete(personId);
      }
    }
  });
}
