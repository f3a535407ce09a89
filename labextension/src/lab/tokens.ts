import { Token } from '@lumino/coreutils';
import type { RoomsModel } from '../rooms/model';

/** The rooms of the person at this JupyterLab. */
export const IRooms = new Token<RoomsModel>('jupyter-codepad:IRooms', 'The rooms of this user.');

export namespace CommandIDs {
  export const create = 'codepad:rooms-new';
  export const share = 'codepad:rooms-share-file';
  export const open = 'codepad:rooms-open';
  export const copyLink = 'codepad:rooms-copy-link';
  export const remove = 'codepad:rooms-delete';
  export const showOutput = 'codepad:runs-show';
}
