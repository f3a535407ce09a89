import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MainFileMenu } from '../../src/page/main_file';
import { violationsOf } from '../support/axe';
import { candidateRoom, fakePage, type IFakePage } from '../support/page';

let page: IFakePage;
let root: Root;
let files: string[];
let requests: [method: string, body: unknown][];

const field = (): HTMLSelectElement | null => document.querySelector('[data-testid="main-file"]');

async function show(change = {}): Promise<void> {
  page = fakePage(candidateRoom(change));
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => setTimeout(draw, 0));
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    requests.push([String(init.method), init.body ? JSON.parse(init.body as string) : null]);
    return Promise.resolve(new Response(JSON.stringify({ main_file: null, files })));
  });
  await act(async () => root.render(<MainFileMenu model={page.model} />));
  await act(() => page.model.mainFile.load());
  await act(() => new Promise(resolve => setTimeout(resolve, 5)));
}

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  requests = [];
  files = ['main.py', 'solve.py'];
  root = createRoot(document.body.appendChild(document.createElement('div')));
});

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  page.close();
});

describe('the file that Run starts', () => {
  it('is nothing to see where there is nothing to choose', async () => {
    files = ['main.py'];
    await show();
    expect(field()).toBeNull();
  });

  it('is not asked for by those who only watch, nor in a notebook', async () => {
    await show({ permissions: ['view'] });
    page.close();
    vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
    await show({ pad_type: 'notebook' });
    expect(requests).toEqual([]);
  });

  it('names the files and asks for the chosen one', async () => {
    await show();
    expect(field()?.value).toBe('main.py');
    expect([...(field()?.options ?? [])].map(one => one.text)).toEqual(['main.py', 'solve.py']);
    expect(await violationsOf(document.body.firstElementChild as Element)).toEqual([]);
    const select = field() as HTMLSelectElement;
    await act(async () => {
      select.value = 'solve.py';
      select.dispatchEvent(new Event('change', { bubbles: true }));
    });
    expect(requests[1]).toEqual(['PUT', { main_file: 'solve.py' }]);
  });

  it('says that a chosen file is gone', async () => {
    files = ['main.py'];
    await show({ main_file: 'gone.py' });
    expect(field()?.selectedOptions[0]?.text).toBe('gone.py (not there)');
  });
});
