/** Undo is one's own: it takes back what this editor has typed, and nothing else. */
import * as Y from 'yjs';

const CAPTURE_MS = 500;

/**
 * Undo and redo of one editor on a shared text.
 *
 * Only changes whose origin has been added (`addTrackedOrigin`, which the editor's binding does) can be
 * undone: not what was there before, nor what others, the server or another tab of this person write.
 */
export class OwnUndo extends Y.UndoManager {
  /** `mayEdit`: asked each time; while this person may not type they cannot undo or redo either. */
  constructor(
    text: Y.Text,
    private readonly _mayEdit: () => boolean
  ) {
    super(text, { captureTimeout: CAPTURE_MS, trackedOrigins: new Set() });
  }

  override undo(): ReturnType<Y.UndoManager['undo']> {
    return this._mayEdit() ? super.undo() : null;
  }

  override redo(): ReturnType<Y.UndoManager['redo']> {
    return this._mayEdit() ? super.redo() : null;
  }
}
