/** The keys of a notebook's cells when none is being edited, as in JupyterLab. */

export type CellCommand =
  | 'edit'
  | 'up'
  | 'down'
  | 'first'
  | 'last'
  | 'above'
  | 'below'
  | 'delete'
  | 'restore'
  | 'code'
  | 'markdown'
  | 'raw'
  | 'run'
  | 'run-advance'
  | 'run-insert'
  | 'move-up'
  | 'move-down';

const TWICE_MS = 1000;

const KEYS: Record<string, CellCommand> = {
  Enter: 'edit',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
  k: 'up',
  j: 'down',
  a: 'above',
  b: 'below',
  m: 'markdown',
  y: 'code',
  r: 'raw',
  z: 'restore'
};

/** Understands keys; it remembers the first of two that belong together. */
export class CellKeys {
  private _first: { key: string; at: number } | null = null;

  command(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>): CellCommand | null {
    const first = this._first;
    this._first = null;
    const { key, shiftKey, altKey } = event;
    const control = event.ctrlKey || event.metaKey;
    if (key === 'Enter' && (control || shiftKey || altKey)) {
      return control ? 'run' : shiftKey ? 'run-advance' : 'run-insert';
    }
    if (control && shiftKey && (key === 'ArrowUp' || key === 'ArrowDown')) {
      return key === 'ArrowUp' ? 'move-up' : 'move-down';
    }
    if (control || altKey || shiftKey) {
      return null;
    }
    const letter = key.length === 1 ? key.toLowerCase() : key;
    if (letter === 'd') {
      const now = performance.now();
      if (first?.key === 'd' && now - first.at < TWICE_MS) {
        return 'delete';
      }
      this._first = { key: 'd', at: now };
      return null;
    }
    return KEYS[letter] ?? null;
  }
}

/** All keys in words, for the dialog that shows them. */
export const KEY_WORDS: [keys: string, words: string][] = [
  ['Enter', 'edit the cell'],
  ['Esc', 'stop editing; the keys below are for then'],
  ['Shift+Enter', 'run, and go on to the next cell'],
  ['Ctrl+Enter', 'run, and stay'],
  ['Alt+Enter', 'run, and add a cell below'],
  ['↑ ↓ or K J', 'to another cell'],
  ['A B', 'add a cell above or below'],
  ['D D', 'delete the cell'],
  ['Z', 'put the deleted cell back'],
  ['M Y R', 'make it text, code, or raw'],
  ['Ctrl+Shift+↑ ↓', 'move the cell']
];
