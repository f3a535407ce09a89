import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CalmDrawing } from '../src/react';

/** A page with a clock of its own: what is due is done in order, and drawing takes as long as it is told to. */
class World {
  now = 0;
  cost = 0;
  drawn: number[] = [];
  private _due: { at: number; act: () => void }[] = [];

  after = (wait: number, act: () => void): number => this._due.push({ at: this.now + wait, act });

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

beforeEach(() => {
  world = new World();
  vi.spyOn(performance, 'now').mockImplementation(() => world.now);
  vi.stubGlobal('requestAnimationFrame', (act: () => void) => world.after(16, act));
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

it('draws nothing once it is disposed', () => {
  const drawing = new CalmDrawing(world.draw);
  world.pass(1, () => drawing.ask());
  vi.stubGlobal('cancelAnimationFrame', () => (world = new World()));
  drawing.dispose();
  drawing.ask();
  world.pass(100);
  expect(world.drawn).toEqual([]);
});
