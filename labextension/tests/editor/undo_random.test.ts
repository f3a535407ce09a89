/** Seeded plans: three people type, delete, undo and redo over a slow line. */
import { YCodeCell, YNotebook } from '@jupyter/ydoc';
import * as Y from 'yjs';
import { beforeEach, expect, it, vi } from 'vitest';
import { guardUndo } from '../../src/editor/notebook_undo';
import { OwnUndo } from '../../src/editor/undo';
import { Peers, seeded } from '../support/peers';

const SEEDS = 150;
const STEPS = 60;
const TIMEOUT_MS = 30_000;
const FIRST_CHARACTER = 0x4e00;
const OUTPUT = { output_type: 'stream', name: 'stdout', text: 'printed\n' };

// @jupyter/ydoc makes cells before it puts them into a document, and Yjs warns each time.
beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => undefined));

/** One person: where they type, and how they take it back. */
interface IPerson {
  doc: Y.Doc;
  texts: () => Y.Text[];
  insert: (text: Y.Text, at: number, words: string) => void;
  delete: (text: Y.Text, at: number, length: number) => void;
  undo: (text: Y.Text) => void;
  redo: (text: Y.Text) => void;
}

/** Every character is typed once in a plan, so what is missing is known, and whose it was. */
class Plan {
  readonly random: () => number;
  readonly peers: Peers;
  private readonly _author = new Map<string, IPerson>();
  /** What its author has deleted, or taken back. */
  private readonly _givenUp = new Set<string>();
  private _next = FIRST_CHARACTER;

  constructor(
    seed: number,
    readonly people: IPerson[],
    docs: Y.Doc[]
  ) {
    this.random = seeded(seed);
    this.peers = new Peers(docs);
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }

  shown(person: IPerson): string {
    return person.texts().join('');
  }

  /** Do something; whatever is gone after it must be of the person who did it, or given up before. */
  act(person: IPerson, act: () => void): void {
    const before = this.shown(person);
    act();
    const after = this.shown(person);
    for (const gone of [...before].filter(character => !after.includes(character) && !this._givenUp.has(character))) {
      expect(this._author.get(gone), 'a character of another was removed').toBe(person);
      this._givenUp.add(gone);
    }
    [...after]
      .filter(character => !before.includes(character) && this._author.get(character) === person)
      .forEach(character => this._givenUp.delete(character));
  }

  step(person: IPerson): void {
    const text = this.pick(person.texts());
    const at = Math.floor(this.random() * (text.length + 1));
    const deed = this.random();
    if (deed < 0.45) {
      const word = String.fromCharCode(...Array.from({ length: 3 }, () => this._next++));
      [...word].forEach(character => this._author.set(character, person));
      this.act(person, () => person.insert(text, at, word));
    } else if (deed < 0.6) {
      const mine = [...text.toString().slice(at)].findIndex(character => this._author.get(character) !== person);
      const length = mine < 0 ? text.length - at : mine;
      this.act(person, () => person.delete(text, at, Math.min(length, 1 + Math.floor(this.random() * 4))));
    } else if (deed < 0.8) {
      this.act(person, () => person.undo(text));
    } else if (deed < 0.9) {
      this.act(person, () => person.redo(text));
    } else {
      this.peers.deliver(person.doc, 1 + Math.floor(this.random() * 5));
    }
  }

  /** All are the same at the end, and nothing is missing that nobody took away. */
  end(): void {
    this.peers.deliverAll();
    const shown = this.people.map(person => this.shown(person));
    expect(new Set(shown).size).toBe(1);
    const missing = [...this._author.keys()].filter(one => !this._givenUp.has(one) && !shown[0]?.includes(one));
    expect(missing).toEqual([]);
  }
}

it(`no undo in ${SEEDS} plans removes a word of another from a text`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const people = [0, 1, 2].map((): IPerson => {
      const doc = new Y.Doc();
      const source = doc.getText('source');
      const undo = new OwnUndo(source, () => true);
      undo.addTrackedOrigin('typing');
      const typed = (change: () => void): void => {
        doc.transact(change, 'typing');
        undo.stopCapturing();
      };
      return {
        doc,
        texts: () => [source],
        insert: (text, at, words) => typed(() => text.insert(at, words)),
        delete: (text, at, length) => typed(() => text.delete(at, length)),
        undo: () => undo.undo(),
        redo: () => undo.redo()
      };
    });
    const plan = new Plan(seed, people, people.map(person => person.doc));
    for (let step = 0; step < STEPS; step++) {
      plan.step(plan.pick(people));
    }
    plan.end();
  }
}, TIMEOUT_MS);

function shared(documentWide: boolean): YNotebook {
  const notebook = new YNotebook({ disableDocumentWideUndoRedo: !documentWide });
  guardUndo(notebook, () => undefined);
  return notebook;
}

function personAt(notebook: YNotebook): IPerson {
  const cellOf = (text: Y.Text): YNotebook['cells'][number] =>
    notebook.cells.find(cell => cell.ysource === text) as YNotebook['cells'][number];
  const typed = (text: Y.Text, at: number, end: number, words: string): void => {
    cellOf(text).updateSource(at, end, words);
    cellOf(text).undoManager?.stopCapturing();
  };
  return {
    doc: notebook.ydoc,
    texts: () => notebook.cells.map(cell => cell.ysource),
    insert: (text, at, words) => typed(text, at, at, words),
    delete: (text, at, length) => typed(text, at, at + length, ''),
    undo: text => cellOf(text).undo(),
    redo: text => cellOf(text).redo()
  };
}

function outputs(notebook: YNotebook): number {
  return notebook.cells.reduce((count, cell) => count + (cell instanceof YCodeCell ? cell.outputs.length : 0), 0);
}

it.each([false, true])(`no undo in ${SEEDS} plans removes output, or a word of another, from a notebook (over the whole document: %s)`, documentWide => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const notebooks = [0, 1, 2].map(() => shared(documentWide));
    const server = new YNotebook();
    const people = notebooks.map(personAt);
    const plan = new Plan(seed, people, [...notebooks, server].map(notebook => notebook.ydoc));
    let printed = 0;
    server.insertCells(0, [{ cell_type: 'code', source: '' }, { cell_type: 'code', source: '' }]);
    plan.peers.deliverAll();
    for (let step = 0; step < STEPS; step++) {
      const place = Math.floor(plan.random() * 3);
      const [notebook, person] = [notebooks[place] as YNotebook, people[place] as IPerson];
      const deed = plan.random();
      if (deed > 0.3 && !documentWide) {
        plan.step(person);
        continue;
      }
      // What touches whole cells is done knowing all: a cell takes with it what is on its way there.
      plan.peers.deliverAll();
      const last = notebook.cells.length - 1;
      if (deed < 0.05) {
        plan.act(person, () => notebook.insertCell(last + 1, { cell_type: 'code', source: '' }));
      } else if (deed < 0.1) {
        plan.act(person, () => notebook.moveCell(0, last));
      } else if (deed < 0.2) {
        plan.act(person, () => notebook.undo());
      } else if (deed < 0.25) {
        plan.act(person, () => notebook.redo());
      } else if (deed < 0.3) {
        const cell = plan.pick(server.cells);
        if (cell instanceof YCodeCell) {
          cell.updateOutputs(cell.outputs.length, cell.outputs.length, [OUTPUT]);
          printed += 1;
        }
      } else {
        plan.step(person);
      }
      notebook.undoManager.stopCapturing();
      plan.peers.deliverAll();
    }
    plan.end();
    expect(outputs(server)).toBe(printed);
    expect(server.cells.length).toBeGreaterThanOrEqual(2);
    expect(new Set(notebooks.map(notebook => JSON.stringify(notebook.cells.map(cell => cell.toJSON())))).size).toBe(1);
  }
}, TIMEOUT_MS);
