/** The dialogs of the host: new room, copy link, delete. */
import { Clipboard, Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import { wordsOf } from '../api';
import { NewRoomForm } from '../rooms/dialog';
import { type INewRoom, problemOf, type RoomsModel } from '../rooms/model';
import type { ILanguage, IRoom, Role } from '../types';

class NewRoomBody extends ReactWidget implements Dialog.IBodyWidget<INewRoom> {
  wish: INewRoom | null = null;

  constructor(
    private readonly _languages: ILanguage[],
    private readonly _manager: IDocumentManager,
    private readonly _sourcePath: string | undefined
  ) {
    super();
    this.addClass('cp-new-room');
  }

  getValue(): INewRoom {
    return this.wish as INewRoom;
  }

  protected override render(): JSX.Element {
    return (
      <NewRoomForm
        languages={this._languages}
        sourcePath={this._sourcePath}
        pickFile={async () => {
          const picked = await FileDialog.getOpenFiles({ manager: this._manager, title: 'Copy which file?' });
          return picked.value?.[0]?.path ?? null;
        }}
        onChange={wish => {
          this.wish = wish;
        }}
      />
    );
  }
}

/** Ask for a new room until it is made or given up; what was typed is never lost. */
export async function newRoom(
  model: RoomsModel,
  manager: IDocumentManager,
  sourcePath?: string
): Promise<IRoom | null> {
  const languages = await model.languages();
  const body = new NewRoomBody(languages, manager, sourcePath);
  let made: IRoom | null = null;
  const dialog = new Dialog<INewRoom>({
    title: 'New Codepad room',
    body,
    focusNodeSelector: '#cp-new-title',
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Create', className: 'cp-create' })],
    checkbox: null
  });
  const resolve = dialog.resolve.bind(dialog);
  // The dialog stays open, with everything in it, until the server has made the room.
  dialog.resolve = (index?: number) => {
    const accepted = index === undefined || index === 1;
    if (!accepted || made) {
      resolve(index);
      return;
    }
    const problem = body.wish ? problemOf(body.wish) : 'Give the room a title.';
    if (problem) {
      Notification.warning(problem, { autoClose: 4000 });
      return;
    }
    model.create(body.wish as INewRoom).then(
      room => {
        made = room;
        resolve(index);
      },
      error => Notification.error(wordsOf(error), { autoClose: 6000 })
    );
  };
  await dialog.launch();
  return made;
}

export async function copyLink(model: RoomsModel, room: IRoom, role: Role): Promise<void> {
  let link: string;
  try {
    link = await model.newLink(room.id, role);
  } catch (error) {
    Notification.error(wordsOf(error), { autoClose: 6000 });
    return;
  }
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    Clipboard.copyToSystem(link); // plain http: no clipboard API
  }
  const what = role === 'observer' ? 'only watches' : 'edits and runs';
  Notification.success(`Link copied. Whoever opens it joins “${room.title}” and ${what}: ${link}`, {
    autoClose: 10_000
  });
}

export async function removeRoom(model: RoomsModel, room: IRoom): Promise<void> {
  const result = await showDialog({
    title: `Delete “${room.title}”?`,
    body: 'Everybody in it is sent away, its links and runs are removed.',
    checkbox: { label: `Also delete its files (${room.pad_path ?? ''})`, checked: false },
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Delete' })]
  });
  if (result.button.accept) {
    await model.remove(room.id, result.isChecked === true);
    if (model.error) {
      Notification.error(model.error, { autoClose: 6000 });
    }
  }
}
