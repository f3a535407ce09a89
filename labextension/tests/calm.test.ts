import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type * as calm from '../src/calm';

/** A page with a clock of its own: what is due is done in order, and drawing takes as long as it is told to. */
class World {
  now = 0;
  cost = 0;
  drawn: number[] = [];
  private _due: { at: number; act: () => void; made: number }[] = [];

  private _made = 0;

  after = (wait: number, act: () => void): number => {
    this._due.push({ at: this.now + wait, act, made: ++this._made });
    return this._made;
  };

  cancel = (made: number): void => {
    this._due = this._due.filter(one => one.made !== made);
  };

  draw = (): void => {
    this.drawn.push(this.now);
    this.now += this.cost;
  };

  /** `each` is called before every millisecond. */
  pass(milliseconds: number, each: () => void = () => undefined): void {
    for (const end = this.now + milliseconds; this.now < end; this.now++) {
      each();
      for (let next; (next = this._due.find(one => one.at <= this.now)); ) {
        this._due.splice(this._due.indexOf(next), 1);
        next.act();
      }
    }
  }
}

let world: World;
let CalmDrawing: typeof calm.CalmDrawing;
let letterCame: typeof calm.letterCame;

beforeEach(async () => {
  world = new World();
  vi.resetModules();
  ({ CalmDrawing, letterCame } = await import('../src/calm'));
  vi.spyOn(performance, 'now').mockImplementation(() => world.now);
  vi.stubGlobal('requestAnimationFrame', (act: () => void) => world.after(16, act));
  vi.stubGlobal('cancelAnimationFrame', world.cancel);
  vi.stubGlobal('clearTimeout', world.cancel);
  vi.stubGlobal('setTimeout', (act: () => void, wait: number) => world.after(wait, act));
  vi.stubGlobal(
    'MessageChannel',
    class {
      port1 = { onmessage: () => undefined, close: () => undefined };
      port2 = { postMessage: () => world.after(0, () => this.port1.onmessage()) };
    }
  );
});

afterEach(() => vi.unstubAllGlobals());

it('draws with the next frame, once for all that has changed', () => {
  const drawing = new CalmDrawing(world.draw);
  world.pass(1, () => [1, 2, 3].forEach(() => drawing.ask()));
  world.pass(100);
  expect(world.drawn).toEqual([16]);
  world.pass(1, () => drawing.ask());
  world.pass(100);
  expect(world.drawn).toHaveLength(2);
});

it.each([
  ['what is drawn quickly is drawn often', 1, 24, 32],
  ['what takes long is drawn rarely', 10, 4, 6],
  ['what takes very long is drawn all the same', 100, 2, 3]
])('%s', (_, cost, least, most) => {
  const drawing = new CalmDrawing(world.draw);
  world.cost = cost;
  world.pass(1000, () => drawing.ask());
  expect(world.drawn.length).toBeGreaterThanOrEqual(least);
  expect(world.drawn.length).toBeLessThanOrEqual(most);
  const last = world.now;
  world.pass(1000);
  expect(world.drawn.filter(at => at >= last)).toHaveLength(1); // what came last is shown
});

it('draws after a letter while letters come, and soon when no more come', () => {
  const drawing = new CalmDrawing(world.draw);
  world.cost = 5;
  const letters: number[] = [];
  world.pass(2000, () => {
    drawing.ask();
    if (world.now - (letters.at(-1) ?? -50) >= 50) {
      letters.push(world.now);
      letterCame();
    }
  });
  expect(world.drawn.length).toBeGreaterThan(8);
  // A letter is painted in the frame after it, 16 ms later; nothing is drawn before that, nor when the next is due.
  expect(world.drawn.filter(at => !letters.some(letter => at - letter >= 16 && at - letter < 30))).toEqual([]);
  const last = letters.at(-1) ?? 0;
  world.drawn = [];
  world.pass(300, () => drawing.ask());
  expect(world.drawn.length).toBeGreaterThan(1);
  expect(world.drawn.every(at => at - last < 30 || at - last > 60)).toBe(true);
});

it('does not wait for a letter after a single change, nor long for one that does not come', () => {
  const drawing = new CalmDrawing(world.draw);
  letterCame();
  world.pass(10);
  world.pass(1, () => drawing.ask());
  world.pass(20);
  expect(world.drawn).toEqual([26]);
  world.pass(2000);
  [1, 2, 3].forEach(letterCame);
  const last = world.now;
  world.pass(1, () => drawing.ask());
  world.pass(200);
  expect(world.drawn.slice(1)).toEqual([last + 60 + 16]);
});

it('draws more often when nobody has typed for a while', () => {
  const drawing = new CalmDrawing(world.draw);
  world.cost = 10;
  const count = (): number => {
    world.drawn = [];
    world.pass(1000, () => drawing.ask());
    return world.drawn.length;
  };
  const untold = count();
  letterCame();
  const typed = count();
  world.pass(1000);
  const idle = count();
  expect(typed).toBeLessThanOrEqual(untold);
  expect(idle).toBeGreaterThan(3 * untold);
});

it('draws nothing once it is disposed', () => {
  const drawing = new CalmDrawing(world.draw);
  world.pass(1, () => drawing.ask());
  drawing.dispose();
  drawing.ask();
  world.pass(100);
  letterCame();
  const other = new CalmDrawing(world.draw);
  world.pass(1, () => other.ask());
  other.dispose();
  letterCame();
  world.pass(1000);
  expect(world.drawn).toEqual([]);
});
