import { Token } from '@lumino/coreutils';
import type { RoomsModel } from '../rooms/model';
import type { RoomNotebooks } from './room_notebooks';

/** The rooms of the person at this JupyterLab. */
export const IRooms = new Token<RoomsModel>('jupyter-codepad:IRooms', 'The rooms of this user.');

/** Which of the open notebooks are rooms'. */
export const IRoomNotebooks = new Token<RoomNotebooks>(
  'jupyter-codepad:IRoomNotebooks',
  'The notebooks of rooms that are open.'
);

export namespace CommandIDs {
  export const create = 'codepad:rooms-new';
  export const share = 'codepad:rooms-share-file';
  export const open = 'codepad:rooms-open';
  export const copyLink = 'codepad:rooms-copy-link';
  export const remove = 'codepad:rooms-delete';
  export const showOutput = 'codepad:runs-show';
}
