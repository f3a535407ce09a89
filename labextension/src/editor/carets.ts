/**
 * Other people's carets and selections, in JupyterLab's own awareness format.
 *
 * `cursors` is a list of `{anchor, head, primary, empty}` with Yjs relative positions as JSON, so the
 * room page and JupyterLab see each other.
 */
import {
  Annotation,
  type AnnotationType,
  type Extension,
  type Range,
  RangeSet
} from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  ViewPlugin,
  type ViewUpdate,
  WidgetType
} from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import type { IAwarenessUser } from '../types';

interface ICursor {
  anchor: unknown;
  head: unknown;
}

interface IState {
  user?: IAwarenessUser;
  cursors?: ICursor[];
}

const refresh: AnnotationType<boolean> = Annotation.define<boolean>();
const COLOR = /^#[0-9a-f]{6}$/i;

class CaretWidget extends WidgetType {
  constructor(
    readonly name: string,
    readonly color: string,
    /** Where the caret is, as its owner said: a caret that moved is drawn anew, and shows its name. */
    readonly place: string
  ) {
    super();
  }

  override eq(other: CaretWidget): boolean {
    return (
      other.name === this.name && other.color === this.color && other.place === this.place
    );
  }

  toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = 'cp-caret';
    caret.dataset.testid = 'remote-caret';
    caret.dataset.name = this.name;
    caret.style.borderColor = this.color;
    caret.style.setProperty('--cp-caret-color', this.color);
    caret.setAttribute('aria-hidden', 'true');
    const label = document.createElement('span');
    label.className = 'cp-caret-label';
    label.style.backgroundColor = this.color;
    label.textContent = this.name;
    caret.append('\u2060', label, '\u2060');
    return caret;
  }

  override get estimatedHeight(): number {
    return -1;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

let sheet: CSSStyleSheet | undefined;
const classes = new Set<string>();

/** A class that gives a selection its colour: style attributes are not allowed on the page. */
function colorClass(color: string): string {
  const name = `cp-selection-${color.slice(1).toLowerCase()}`;
  if ('adoptedStyleSheets' in document && !classes.has(name) && classes.size < 1000) {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    }
    sheet.insertRule(`.${name} { background-color: ${color}40; }`);
    classes.add(name);
  }
  return name;
}

/** Where a relative position is in the text now, or null when it is of another text. */
export function indexOf(position: unknown, text: Y.Text): number | null {
  try {
    const relative = Y.createRelativePositionFromJSON(position);
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, text.doc as Y.Doc);
    return absolute && absolute.type === text ? absolute.index : null;
  } catch {
    return null; // another person's client can say anything
  }
}

function drawn(text: Y.Text, awareness: Awareness, length: number): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  awareness.getStates().forEach((value, clientId) => {
    const state = value as IState;
    if (clientId === awareness.doc.clientID || !state.user || !Array.isArray(state.cursors)) {
      return;
    }
    const color = COLOR.test(state.user.color) ? state.user.color : '#616161';
    for (const cursor of state.cursors.slice(0, 20)) {
      const anchor = indexOf(cursor?.anchor, text);
      const head = indexOf(cursor?.head, text);
      if (anchor === null || head === null || anchor > length || head > length) {
        continue;
      }
      if (anchor !== head) {
        const mark = Decoration.mark({ class: `cp-selection ${colorClass(color)}` });
        ranges.push(mark.range(Math.min(anchor, head), Math.max(anchor, head)));
      }
      const widget = new CaretWidget(
        state.user.display_name || state.user.name,
        color,
        JSON.stringify(cursor.head)
      );
      ranges.push(Decoration.widget({ widget, side: 1 }).range(head));
    }
  });
  return RangeSet.of(ranges, true);
}

/** Shows the others' carets in `text`, and tells them ours while the editor has the focus. */
export function carets(text: Y.Text, awareness: Awareness): Extension {
  const plugin = ViewPlugin.fromClass(
    class {
      decorations: DecorationSet;
      private _told = '';
      private readonly _changed = (_changes: unknown, origin: unknown): void => {
        if (origin !== 'local') {
          this._view.dispatch({ annotations: refresh.of(true) });
        }
      };

      constructor(private readonly _view: EditorView) {
        this.decorations = drawn(text, awareness, _view.state.doc.length);
        awareness.on('change', this._changed);
      }

      update(update: ViewUpdate): void {
        const asked = update.transactions.some(tr => tr.annotation(refresh));
        if (asked || update.docChanged) {
          this.decorations = drawn(text, awareness, update.state.doc.length);
        }
        if (update.selectionSet || update.docChanged || update.focusChanged) {
          this._tell(update.view);
        }
      }

      destroy(): void {
        awareness.off('change', this._changed);
      }

      private _tell(view: EditorView): void {
        if (!view.hasFocus || text.length !== view.state.doc.length) {
          return;
        }
        const cursors = view.state.selection.ranges.map((range, i) => ({
          // All four fields, also those that are null: JupyterLab reads them without asking.
          anchor: { ...Y.createRelativePositionFromTypeIndex(text, range.anchor) },
          head: { ...Y.createRelativePositionFromTypeIndex(text, range.head) },
          primary: i === view.state.selection.mainIndex,
          empty: range.empty
        }));
        const told = JSON.stringify(cursors);
        if (told !== this._told) {
          this._told = told;
          awareness.setLocalStateField('cursors', cursors);
        }
      }
    },
    { decorations: value => value.decorations }
  );
  return [plugin, caretTheme];
}

const caretTheme = EditorView.baseTheme({
  '.cp-caret': {
    borderLeft: '2px solid',
    marginLeft: '-1px',
    marginRight: '-1px',
    position: 'relative',
    display: 'inline'
  },
  '.cp-caret-label': {
    position: 'absolute',
    top: '-1.35em',
    left: '-2px',
    padding: '0 4px',
    borderRadius: '2px 2px 2px 0',
    color: '#fff',
    font: '600 11px/1.4 var(--jp-ui-font-family, sans-serif)',
    whiteSpace: 'nowrap',
    maxWidth: '16ch',
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    pointerEvents: 'none',
    zIndex: '10',
    // The name goes after a while, so that it does not stand on the code for ever.
    animation: 'cp-fade 0.4s 6s forwards'
  },
  '.cp-caret:hover .cp-caret-label': { animation: 'none' },
  '@keyframes cp-fade': { to: { opacity: 0 } },
  '.cp-caret::before': {
    content: '""',
    position: 'absolute',
    top: '-3px',
    left: '-4px',
    width: '6px',
    height: '6px',
    borderRadius: '50%',
    backgroundColor: 'var(--cp-caret-color)'
  },
  '.cm-line:first-child .cp-caret-label': { top: '1.25em' },
  // In an editor of one line there is no place above nor below.
  '.cm-line:only-child .cp-caret-label': { top: '0', left: '3px', borderRadius: '2px' }
});
