import { renderToStaticMarkup } from 'react-dom/server';
import { beforeEach, describe, expect, it } from 'vitest';
import { Api } from '../../src/api';
import { compare, ConflictModel, type IConflict, type ILine } from '../../src/sync/conflict';
import { ConflictNote } from '../../src/sync/conflict_view';

const CONFLICT: IConflict = {
  id: 'one',
  since: '2026-01-01T00:00:00Z',
  path: 'folder/main.py',
  reason: 'file_changed',
  who: null,
  mine: 'a\nhere\nc\n',
  theirs: 'a\nthere\nc\n',
  truncated: false
};

let asked: [string, string, unknown][];
let answers: [number, unknown][];
let model: ConflictModel;
let told: string[];

beforeEach(() => {
  asked = [];
  answers = [];
  told = [];
  const api = new Api((path, init) => {
    asked.push([init.method ?? '', path, init.body ? JSON.parse(init.body as string) : null]);
    const [status, body] = answers.shift() ?? [500, {}];
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  });
  model = new ConflictModel(api, 'rooms/a/conflict');
  model.told.connect((_, words) => told.push(words));
});

const box = (): HTMLElement => {
  const made = document.createElement('div');
  made.innerHTML = renderToStaticMarkup(<ConflictNote model={model} />);
  return made;
};

async function found(conflict: IConflict | null = CONFLICT): Promise<void> {
  answers.push([200, { conflict }]);
  await model.look();
}

describe('a conflict', () => {
  it('is nothing to see while there is one version', async () => {
    await found(null);
    expect(box().innerHTML).toBe('');
    expect(told).toEqual([]);
  });

  it('shows both sides and says what each choice will do', async () => {
    await found();
    const shown = box();
    expect(shown.querySelector('[data-testid=conflict-mine]')?.textContent).toContain('here');
    expect(shown.querySelector('[data-testid=conflict-theirs]')?.textContent).toContain('there');
    expect(shown.textContent).toContain('main.py was changed outside');
    expect(shown.textContent).not.toContain('folder/');
    for (const keep of ['mine', 'theirs', 'both']) {
      const button = shown.querySelector(`[data-testid=keep-${keep}]`);
      expect(shown.querySelector(`#${button?.getAttribute('aria-describedby')}`)?.textContent).toBeTruthy();
    }
  });

  it('names whose text came back', async () => {
    await found({ ...CONFLICT, reason: 'old_client', who: 'Ada (guest)' });
    expect(box().textContent).toContain('Ada (guest) came back with another text');
  });

  it('can be put off, and stays a note', async () => {
    await found();
    model.later();
    expect(box().querySelector('[data-testid=conflict-note]')?.textContent).toContain('two versions of main.py');
    await found(); // the same one does not ask again by itself
    expect(model.asking).toBe(false);
    model.again();
    expect(model.asking).toBe(true);
    model.later();
    await found({ ...CONFLICT, id: 'two' });
    expect(model.asking).toBe(true);
  });

  it('is settled by a click', async () => {
    await found();
    answers.push([200, { conflict: null }]);
    const choosing = model.choose('both');
    expect(model.busy).toBe(true);
    void model.choose('mine'); // a second click does nothing
    await choosing;
    expect(asked.slice(1)).toEqual([['POST', 'api/rooms/a/conflict', { id: 'one', keep: 'both' }]]);
    expect(model.conflict).toBeNull();
    expect(model.busy).toBe(false);
  });

  it('that somebody else has settled is over', async () => {
    await found();
    answers.push([409, { code: 'conflict_over', message: 'over' }], [200, { conflict: null }]);
    await model.choose('mine');
    expect(told[0]).toBe('Somebody else has chosen already.');
    expect(model.conflict).toBeNull();
  });

  it('stays when the choice did not arrive, and says why', async () => {
    await found();
    answers.push([503, { code: 'busy', message: 'Try later.' }]);
    await model.choose('mine');
    expect(told).toEqual(['Try later.']);
    expect(model.conflict?.id).toBe('one');
  });

  it('is nobody’s business who may not edit', async () => {
    await found();
    answers.push([403, { code: 'forbidden', message: 'no' }]);
    await model.look();
    expect(model.conflict).toBeNull();
  });
});

describe('the comparison', () => {
  const own = (lines: ILine[]): string[] => lines.filter(line => line.own).map(line => line.text);

  it('marks what only one side has', () => {
    const [mine, theirs] = compare('a\nb\nc\nd', 'a\nx\nc\nd\ne');
    expect([own(mine), own(theirs)]).toEqual([['b'], ['x', 'e']]);
    expect(mine.map(line => line.text).join('\n')).toBe('a\nb\nc\nd');
  });

  it('marks nothing in equal texts, and all where nothing is shared', () => {
    expect(compare('a\nb', 'a\nb').map(own)).toEqual([[], []]);
    expect(compare('a', 'b').map(own)).toEqual([['a'], ['b']]);
  });

  it('gives up on finding lines in texts that are too long for it', () => {
    const long = (word: string): string => Array.from({ length: 3000 }, (_, n) => `${word}${n}`).join('\n');
    expect(own(compare(long('a'), long('b'))[0])).toHaveLength(3000);
  });
});
