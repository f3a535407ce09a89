/** A CodeMirror editor on a shared text. */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap
} from '@codemirror/autocomplete';
import { defaultKeymap, indentWithTab } from '@codemirror/commands';
import { python } from '@codemirror/lang-python';
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting
} from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension, Prec } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { carets } from './carets';
import { sizeLimit } from './limit';

const TYPING_MS = 3000;

export interface IEditorOptions {
  parent: HTMLElement;
  text: Y.Text;
  awareness: Awareness;
  language: string;
  readOnly: boolean;
  /** What a screen reader calls it. */
  label: string;
  limitBytes: number;
  cspNonce: string;
  onRefused: (words: string) => void;
  onRun: () => void;
  /** Grows with its text instead of scrolling (cells). */
  inline?: boolean;
}

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--jp-mirror-editor-keyword-color)', fontWeight: '600' },
  { tag: [tags.atom, tags.bool, tags.null], color: 'var(--jp-mirror-editor-atom-color)' },
  { tag: tags.number, color: 'var(--jp-mirror-editor-number-color)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--jp-mirror-editor-string-color)' },
  { tag: tags.comment, color: 'var(--jp-mirror-editor-comment-color)', fontStyle: 'italic' },
  { tag: tags.definition(tags.variableName), color: 'var(--jp-mirror-editor-def-color)' },
  { tag: tags.function(tags.variableName), color: 'var(--jp-mirror-editor-builtin-color)' },
  { tag: tags.operator, color: 'var(--jp-mirror-editor-operator-color)' },
  { tag: [tags.meta, tags.annotation], color: 'var(--jp-mirror-editor-meta-color)' },
  { tag: [tags.className, tags.typeName], color: 'var(--jp-mirror-editor-def-color)' }
]);

const theme = EditorView.theme({
  '&': {
    height: '100%',
    color: 'var(--jp-content-font-color1)',
    backgroundColor: 'var(--jp-layout-color0)',
    fontSize: 'var(--jp-code-font-size, 13px)'
  },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--jp-code-font-family)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--jp-editor-cursor-color)' },
  '.cm-cursor': { borderLeftColor: 'var(--jp-editor-cursor-color)', borderLeftWidth: '2px' },
  '.cm-gutters': {
    backgroundColor: 'var(--jp-layout-color1)',
    color: 'var(--jp-ui-font-color2)',
    borderRight: '1px solid var(--jp-border-color2)'
  },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--jp-layout-color3) 22%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'var(--jp-layout-color2)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
    { background: 'var(--jp-editor-selected-focused-background) !important' },
  '.cm-panels': { backgroundColor: 'var(--jp-layout-color1)', color: 'var(--jp-ui-font-color1)' }
});

/** Tells the others that this person types, until three seconds after the last change. */
function typing(awareness: Awareness): Extension {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return EditorView.updateListener.of(update => {
    if (!update.transactions.some(tr => tr.isUserEvent('input') || tr.isUserEvent('delete'))) {
      return;
    }
    if (awareness.getLocalState()?.['typing'] !== true) {
      awareness.setLocalStateField('typing', true);
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (awareness.getLocalState()) {
        awareness.setLocalStateField('typing', false);
      }
    }, TYPING_MS);
  });
}

export function createEditor(options: IEditorOptions): EditorView {
  const { text, awareness, readOnly } = options;
  // Undo is one's own: it only knows what this editor has typed.
  const undoManager = new Y.UndoManager(text, { captureTimeout: 500 });
  const run = (): boolean => {
    options.onRun();
    return true;
  };
  const extensions: Extension[] = [
    options.cspNonce ? EditorView.cspNonce.of(options.cspNonce) : [],
    Prec.highest(
      keymap.of([
        { key: 'Mod-Enter', run },
        { key: 'Shift-Enter', run },
        // The way out for the keyboard: Tab indents until Escape was pressed.
        { key: 'Escape', run: view => (view.contentDOM.blur(), false) }
      ])
    ),
    lineNumbers(),
    readOnly ? [] : [highlightActiveLine(), highlightActiveLineGutter()],
    drawSelection(),
    indentOnInput(),
    indentUnit.of('    '),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ activateOnTyping: false }),
    highlightSelectionMatches(),
    keymap.of([
      ...yUndoManagerKeymap,
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...completionKeymap,
      indentWithTab
    ]),
    options.language === 'python' ? python() : [],
    syntaxHighlighting(colors),
    theme,
    options.inline ? EditorView.theme({ '&': { height: 'auto' } }) : [],
    EditorState.readOnly.of(readOnly),
    EditorView.editable.of(!readOnly),
    EditorView.contentAttributes.of({
      'aria-label': options.label,
      ...(readOnly ? { tabindex: '0', 'aria-readonly': 'true' } : {})
    }),
    sizeLimit(options.limitBytes, options.onRefused),
    yCollab(text, null, { undoManager }),
    carets(text, awareness),
    readOnly ? [] : typing(awareness)
  ];
  return new EditorView({
    parent: options.parent,
    state: EditorState.create({ doc: text.toString(), extensions })
  });
}
