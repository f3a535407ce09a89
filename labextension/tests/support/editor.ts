import type { Awareness } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import { usual } from '../../src/editor/languages';
import { createEditor, type IEditorOptions, type IPadEditor } from '../../src/editor/editor';

/** The editor of a pad of Python, with room for 10,000 bytes. */
export function openEditor(text: Y.Text, awareness: Awareness, more: Partial<IEditorOptions> = {}): IPadEditor {
  return createEditor({
    parent: document.body,
    text,
    awareness,
    language: usual('python'),
    readOnly: false,
    label: 'Code',
    limitBytes: 10_000,
    cspNonce: '',
    onRefused: () => undefined,
    onRun: () => undefined,
    ...more
  });
}
