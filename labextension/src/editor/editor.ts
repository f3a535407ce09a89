/** A CodeMirror editor on a shared text. */
import { autocompletion, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension, Prec, type Transaction } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  ViewPlugin
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import type { Awareness } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import { letterCame } from '../calm';
import type { FollowModel } from '../people/follow';
import { carets } from './carets';
import { following } from './following';
import { grammarHere, type IEditorLanguage, loadGrammar, manners } from './languages';
import { sizeLimit } from './limit';
import { OwnUndo } from './undo';

const TYPING_MS = 3000;

export type AfterRun = 'stay' | 'advance' | 'insert';

export interface IEditorOptions {
  parent: HTMLElement;
  text: Y.Text;
  awareness: Awareness;
  language: IEditorLanguage;
  readOnly: boolean;
  /** What a screen reader calls it. */
  label: string;
  limitBytes: number;
  cspNonce: string;
  onRefused: (words: string) => void;
  /** What the keys that run ask for besides: to go on to a notebook's next cell, or to a new one below. */
  onRun: (then: AfterRun) => void;
  /** Grows with its text instead of scrolling (cells). */
  inline?: boolean;
  /** Called after every change of text or selection. */
  onUpdate?: (state: EditorState) => void;
  /** Lets this editor show what somebody else sees. */
  follow?: FollowModel;
}

/** An editor whose owner may be allowed to type, or not any more, while it is open. */
export interface IPadEditor {
  view: EditorView;
  undoManager: OwnUndo;
  setReadOnly: (readOnly: boolean) => void;
  /** Follow another language: text, caret and history stay. */
  setLanguage: (language: IEditorLanguage) => void;
}

/** What differs between those who may type and those who may not. */
function rights(options: IEditorOptions, readOnly: boolean): Extension {
  return [
    readOnly ? [] : [highlightActiveLine(), highlightActiveLineGutter()],
    EditorState.readOnly.of(readOnly),
    EditorView.editable.of(!readOnly),
    EditorView.contentAttributes.of({
      'aria-label': options.label,
      tabindex: '0',
      ...(readOnly ? { 'aria-readonly': 'true' } : {})
    }),
    readOnly ? [] : typing(options.awareness)
  ];
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

/** As high as its text; and of many editors on a page only one has a line that one is in. */
const inlineTheme = EditorView.theme({
  '&': { height: 'auto' },
  '&:not(.cm-focused) .cm-activeLine, &:not(.cm-focused) .cm-activeLineGutter': { backgroundColor: 'transparent' }
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

/**
 * Typing over a selection, without the browser's help: Chromium would carry the selection's colours
 * over in a style attribute, which the page's policy forbids (harmless, but an error in the console).
 */
const typeOver = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { ranges, main } = view.state.selection;
    const text = event.data;
    const plain = event.inputType === 'insertText' && !event.isComposing && !view.composing;
    if (!plain || !text || main.empty || ranges.length > 1 || view.state.readOnly) {
      return false;
    }
    const insert = (): Transaction =>
      view.state.update(view.state.replaceSelection(text), { userEvent: 'input.type', scrollIntoView: true });
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some(handler => handler(view, main.from, main.to, text, insert))) {
      view.dispatch(insert());
    }
    return true;
  }
});

export function createEditor(options: IEditorOptions): IPadEditor {
  const { text, awareness } = options;
  const changeable = new Compartment();
  const grammar = new Compartment();
  const rest = new Compartment();
  let language = options.language;
  const undoManager = new OwnUndo(text, () => !view.state.readOnly);
  const run = (then: AfterRun) => (): boolean => {
    options.onRun(then);
    return true;
  };
  const load = (): void => {
    const wanted = language;
    void loadGrammar(wanted.mode).then(loaded => {
      if (wanted === language) {
        view.dispatch({ effects: grammar.reconfigure(loaded) });
      }
    });
  };
  const extensions: Extension[] = [
    options.cspNonce ? EditorView.cspNonce.of(options.cspNonce) : [],
    Prec.highest(
      keymap.of([
        { key: 'Mod-Enter', run: run('stay') },
        { key: 'Shift-Enter', run: run('advance') },
        ...(options.inline ? [{ key: 'Alt-Enter', run: run('insert') }] : [])
      ])
    ),
    // Positions are those of the shared text: a carriage return in it is a character like any other.
    EditorState.lineSeparator.of('\n'),
    EditorView.clipboardInputFilter.of(pasted => pasted.replace(/\r\n?/g, '\n')),
    ViewPlugin.define(() => ({ destroy: () => undoManager.destroy() })),
    typeOver,
    lineNumbers(),
    drawSelection(),
    indentOnInput(),
    rest.of(manners(language)),
    bracketMatching(),
    autocompletion({ activateOnTyping: false }),
    highlightSelectionMatches(),
    keymap.of([
      ...yUndoManagerKeymap,
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...completionKeymap,
      indentWithTab // but after Escape, Tab leaves the editor: CodeMirror sees to that
    ]),
    grammar.of(grammarHere(language.mode) ?? []),
    syntaxHighlighting(colors),
    theme,
    options.inline ? inlineTheme : [],
    changeable.of(rights(options, options.readOnly)),
    EditorView.updateListener.of(update => update.docChanged && letterCame()),
    options.onUpdate ? EditorView.updateListener.of(update => options.onUpdate?.(update.state)) : [],
    sizeLimit(options.limitBytes, options.onRefused),
    yCollab(text, null, { undoManager }),
    carets(text, awareness),
    options.follow ? following(text, awareness, options.follow) : []
  ];
  const view: EditorView = new EditorView({
    parent: options.parent,
    state: EditorState.create({ doc: text.toString(), extensions })
  });
  if (grammarHere(language.mode) === null) {
    load();
  }
  return {
    view,
    undoManager,
    setReadOnly: readOnly => view.dispatch({ effects: changeable.reconfigure(rights(options, readOnly)) }),
    setLanguage: next => {
      language = next;
      const here = grammarHere(next.mode);
      view.dispatch({ effects: [rest.reconfigure(manners(next)), grammar.reconfigure(here ?? [])] });
      if (here === null) {
        load();
      }
    }
  };
}
