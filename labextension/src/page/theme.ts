/** Light or dark: the system's choice until the person makes their own. */
import { Signal, type ISignal } from '@lumino/signaling';

export type Theme = 'light' | 'dark';
const KEY = 'codepad-theme';

export class ThemeModel {
  private _own: Theme | null = null;
  private readonly _system = window.matchMedia('(prefers-color-scheme: dark)');
  private readonly _changed = new Signal<this, void>(this);

  constructor() {
    try {
      const kept = localStorage.getItem(KEY);
      this._own = kept === 'light' || kept === 'dark' ? kept : null;
    } catch {
      this._own = null; // storage is off: the choice lasts as long as the page
    }
    this._system.addEventListener('change', () => this._apply());
    this._apply();
  }

  get current(): Theme {
    return this._own ?? (this._system.matches ? 'dark' : 'light');
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  toggle(): void {
    this._own = this.current === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, this._own);
    } catch {
      // as above
    }
    this._apply();
  }

  private _apply(): void {
    document.documentElement.dataset['theme'] = this.current;
    this._changed.emit();
  }
}
