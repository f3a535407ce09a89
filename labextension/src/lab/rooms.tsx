/** Plugin: the side panel with the host's rooms, the launcher card, the commands. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification, ReactWidget } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { wordsOf } from '../api';
import { RoomsModel } from '../rooms/model';
import { RoomsView } from '../rooms/view';
import type { Role } from '../types';
import { copyLink, newRoom, removeRoom } from './dialogs';
import { codepadIcon } from './icon';
import { CommandIDs, IRooms } from './tokens';
import { announceKnocks } from './knocks';
import { ManageRoom } from './manage';
import { codepadUrl, labApi } from './transport';
import { warnOfEnds } from './time';

const POLL_MS = 5000;

export const roomsPlugin: JupyterFrontEndPlugin<RoomsModel> = {
  id: 'jupyter-codepad:rooms',
  description: 'The list of rooms, and making, sharing, closing and deleting them.',
  autoStart: true,
  provides: IRooms,
  requires: [IDocumentManager],
  optional: [ILauncher, ICommandPalette, ILayoutRestorer, IFileBrowserFactory],
  activate: (
    app: JupyterFrontEnd,
    manager: IDocumentManager,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    browsers: IFileBrowserFactory | null
  ): RoomsModel => {
    const { commands, serviceManager } = app;
    const settings = serviceManager.serverSettings;
    const token = settings.appendToken ? settings.token : '';
    const model = new RoomsModel(labApi(settings), codepadUrl(settings), token);
    warnOfEnds(model);
    announceKnocks(model);
    const create = async (path?: string): Promise<void> => {
      try {
        const room = await newRoom(model, manager, path);
        if (room) {
          app.shell.activateById('jupyter-codepad:panel');
          await commands.execute(CommandIDs.open, { roomId: room.id });
        }
      } catch (error) {
        Notification.error(wordsOf(error), { autoClose: 6000 });
      }
    };
    const withRoom =
      (work: (room: NonNullable<ReturnType<RoomsModel['room']>>, role: Role) => Promise<void>) =>
      async (args: { [name: string]: unknown }): Promise<void> => {
        const room = model.room(String(args['roomId']));
        if (room) {
          await work(room, (args['role'] as Role | undefined) ?? 'member');
        }
      };
    commands.addCommand(CommandIDs.create, {
      label: args => (args['isLauncher'] ? 'Codepad Room' : 'New Codepad Room…'),
      caption: 'Make a room and send its link: code together without giving away your server',
      icon: codepadIcon,
      execute: () => create()
    });
    commands.addCommand(CommandIDs.share, {
      label: 'Share in a Codepad Room…',
      caption: 'Make a room whose pad is a copy of this file',
      icon: codepadIcon,
      execute: () => {
        const path = browsers?.tracker.currentWidget?.selectedItems().next().value?.path;
        return create(path && serviceManager.contents.localPath(path));
      }
    });
    commands.addCommand(CommandIDs.open, {
      label: 'Open a Room’s Pad',
      execute: withRoom(async room => {
        // The file browser knows the drive of shared documents; opened without it a pad is not live.
        await commands.execute('filebrowser:open-path', {
          path: room.pad_path,
          dontShowBrowser: true
        });
        // The output of a notebook is in it.
        if (room.pad_type === 'file' && (room.state === 'open' || room.state === 'prepared')) {
          await commands.execute(CommandIDs.showOutput, { roomId: room.id });
        }
      })
    });
    commands.addCommand(CommandIDs.copyLink, {
      label: 'Copy a Room’s Link',
      execute: withRoom((room, role) => copyLink(model, room, role))
    });
    commands.addCommand(CommandIDs.remove, {
      label: 'Delete a Room…',
      execute: withRoom(room => removeRoom(model, room))
    });
    const panel = ReactWidget.create(
      <RoomsView
        model={model}
        manage={ManageRoom}
        actions={{
          create: () => void create(),
          open: room => void commands.execute(CommandIDs.open, { roomId: room.id }),
          copyLink: (room, role) => void copyLink(model, room, role),
          remove: room => void removeRoom(model, room)
        }}
      />
    );
    panel.id = 'jupyter-codepad:panel';
    panel.title.icon = codepadIcon;
    panel.title.caption = 'Codepad';
    panel.addClass('cp-side-panel');
    app.shell.add(panel, 'left', { rank: 350 });
    restorer?.add(panel, panel.id);
    const poll = setInterval(() => {
      // Somebody may be at the door of an open room, whatever the person looks at.
      const open = model.rooms?.some(room => room.state === 'open' || room.state === 'prepared');
      if (!document.hidden && (panel.isVisible || open)) {
        void model.refresh();
      }
    }, POLL_MS);
    panel.disposed.connect(() => clearInterval(poll));
    void app.restored.then(() => model.refresh());
    launcher?.add({ command: CommandIDs.create, args: { isLauncher: true }, category: 'Other', rank: 0 });
    palette?.addItem({ command: CommandIDs.create, category: 'Codepad' });
    app.contextMenu.addItem({ command: CommandIDs.share, selector: '.jp-DirListing-item[data-isdir="false"]', rank: 20 });
    return model;
  }
};
