/** Everything about one room in JupyterLab's side panel: its people and lobby, links, and settings. */
import { useState } from 'react';
import { PeoplePanel } from '../people/view';
import { Modal } from '../popover';
import { RoomControls } from '../rooms/controls';
import { LinksView } from '../rooms/links';
import type { RoomsModel } from '../rooms/model';
import type { IRoom } from '../types';

type Shown = 'links' | 'room' | null;

export function ManageRoom(props: { model: RoomsModel; room: IRoom }): JSX.Element {
  const { model, room } = props;
  const [shown, setShown] = useState<Shown>(null);
  const control = model.control(room.id);
  const close = (): void => setShown(null);
  return (
    <div className="cp-manage" data-testid="room-manage">
      <PeoplePanel people={model.peopleOf(room.id) ?? []} waiting={model.waitingOf(room.id)} room={room} control={control} />
      <div className="cp-room-actions">
        {room.permissions.includes('invite') && (
          <button className="cp-button" data-testid="room-links" onClick={() => setShown('links')}>
            Links…
          </button>
        )}
        {room.permissions.includes('manage') && (
          <button className="cp-button" data-testid="room-settings" onClick={() => setShown('room')}>
            Room settings…
          </button>
        )}
      </div>
      {shown === 'links' && (
        <Modal title={`Links into “${room.title}”`} testid="links-dialog" onClose={close}>
          <LinksView room={room} control={control} />
        </Modal>
      )}
      {shown === 'room' && (
        <Modal title={`Room “${room.title}”`} testid="room-dialog" onClose={close}>
          <RoomControls room={room} control={control} />
        </Modal>
      )}
    </div>
  );
}
