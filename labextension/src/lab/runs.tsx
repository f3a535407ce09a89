/** Plugin: the output of a room beside its pad, with Run, Stop, Restart and the people. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { MainAreaWidget, Notification, ReactWidget, WidgetTracker } from '@jupyterlab/apputils';
import { RunsModel } from '../execution/model';
import { RunControls, RunsView } from '../execution/view';
import { useSignal } from '../react';
import type { RoomsModel } from '../rooms/model';
import type { IRoom } from '../types';
import { codepadIcon } from './icon';
import { runRights } from './rights';
import { CommandIDs, IRooms } from './tokens';
import { codepadUrl, labApi, labProvider } from './transport';

/** In pixels; JupyterLab's own style changes there, too. */
const NARROW = 760;

function RoomOutput(props: { model: RunsModel; rooms: RoomsModel; room: IRoom }): JSX.Element {
  const { model, rooms } = props;
  useSignal(rooms.changed);
  useSignal(model.provider.statusChanged);
  const end = model.provider.end;
  const room = rooms.room(props.room.id) ?? props.room;
  const rights = runRights(rooms, room, model);
  const notebook = room.pad_type === 'notebook';
  return (
    <div className="cp-lab-output" data-testid="lab-output">
      <div className="cp-lab-toolbar" data-testid="lab-run">
        <RunControls model={model} rights={rights} onRun={notebook ? undefined : () => void model.run()} />
        <span className="cp-muted">{room.online === 1 ? '1 person here' : `${room.online} people here`}</span>
      </div>
      {end && <p className="cp-warning cp-rooms-note">{end.reason}</p>}
      <RunsView model={model} rights={rights} notebook={notebook} />
    </div>
  );
}

export const runsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-codepad:runs',
  description: 'The output panel of a room.',
  autoStart: true,
  requires: [IRooms],
  optional: [ILayoutRestorer],
  activate: (app: JupyterFrontEnd, rooms: RoomsModel, restorer: ILayoutRestorer | null): void => {
    const tracker = new WidgetTracker<MainAreaWidget>({ namespace: 'jupyter-codepad-runs' });
    const settings = app.serviceManager.serverSettings;
    app.commands.addCommand(CommandIDs.showOutput, {
      label: 'Show a Room’s Output',
      execute: async args => {
        const roomId = String(args['roomId']);
        if (!rooms.room(roomId)) {
          await rooms.refresh();
        }
        const room = rooms.room(roomId);
        const id = `jupyter-codepad:output:${roomId}`;
        const there = tracker.find(widget => widget.id === id);
        if (!room || there) {
          there?.activate();
          return;
        }
        const model = new RunsModel(labProvider(settings, roomId, 'runs'), labApi(settings), roomId, codepadUrl(settings));
        // What happens in the room shows here at once, not only when the list is asked for again.
        model.provider.eventReceived.connect((_, event) => rooms.hear(roomId, event));
        model.failed.connect((_, words) => void Notification.warning(words, { autoClose: 6000 }));
        const content = ReactWidget.create(<RoomOutput model={model} rooms={rooms} room={room} />);
        const widget = new MainAreaWidget({ content });
        widget.id = id;
        widget.title.label = `${room.title} – output`;
        widget.title.icon = codepadIcon;
        widget.title.closable = true;
        widget.disposed.connect(() => {
          model.dispose();
          model.provider.dispose();
        });
        // Beside the pad, or behind it where there is no place for both.
        app.shell.add(widget, 'main', { mode: window.innerWidth < NARROW ? 'tab-after' : 'split-right', activate: false });
        await tracker.add(widget);
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.showOutput,
      args: widget => ({ roomId: widget.id.split(':').pop() ?? '' }),
      name: widget => widget.id
    });
  }
};
