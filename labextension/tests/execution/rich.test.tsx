import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OutputView } from '../../src/execution/output';
import RichView, { type RichMime } from '../../src/execution/rich';

let root: Root;
let box: HTMLElement;

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  box = document.body.appendChild(document.createElement('div'));
  root = createRoot(box);
});

afterEach(() => {
  act(() => root.unmount());
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function shown(mime: RichMime, source: string): Promise<Element> {
  await act(async () => root.render(<RichView mime={mime} source={source} />));
  return box.querySelector('.cp-out-rich') as Element;
}

describe('Markdown', () => {
  it('is drawn by JupyterLab’s renderer', async () => {
    const rich = await shown('text/markdown', '# Title\n\n- [x] done\n- [ ] open\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = "<b>"\n```');
    expect(rich.querySelector('.jp-RenderedMarkdown h1')?.textContent).toContain('Title');
    expect(rich.querySelectorAll('td')).toHaveLength(2);
    expect(rich.querySelector('pre code')?.textContent).toBe('x = "<b>"\n');
    expect([...rich.querySelectorAll('li')].map(one => one.textContent?.trim())).toEqual(['☑ done', '☐ open']);
  });

  it('is never trusted', async () => {
    const hostile = [
      '<script>window.hacked = 1</script>',
      '<img src="https://evil.test/x.png" onerror="window.hacked = 1">',
      '![remote](https://evil.test/y.png)',
      '[link](javascript:window.hacked=1)',
      '<iframe srcdoc="<script>top.hacked=1</script>"></iframe>',
      '<form action="/x"><input name="a"></form>',
      '<p style="position:fixed" id="codepad-root" onclick="window.hacked=1">text</p>',
      '<svg onload="window.hacked=1"></svg>',
      '$\\href{javascript:alert(1)}{x}$'
    ].join('\n\n');
    const rich = await shown('text/markdown', hostile);
    expect(rich.querySelector('script, iframe, form, input, svg, [onerror], [onclick], [style*="fixed"], #codepad-root')).toBeNull();
    expect([...rich.querySelectorAll('img')].filter(image => image.hasAttribute('src'))).toEqual([]);
    expect([...rich.querySelectorAll('a')].map(link => link.getAttribute('href')).filter(href => href && !href.startsWith('#'))).toEqual([]);
    expect((window as { hacked?: number }).hacked).toBeUndefined();
  });

  it('has formulas', async () => {
    const rich = await shown('text/markdown', 'Euler: $e^{i\\pi} = -1$ and\n\n$$\\sum_{k=1}^n k$$');
    await vi.waitFor(() => expect(rich.querySelectorAll('math')).toHaveLength(2));
    expect(rich.querySelector('math[display="block"]')).not.toBeNull();
    expect(rich.querySelector('[style]')).toBeNull();
  });

  it('follows its source', async () => {
    await shown('text/markdown', 'one');
    const rich = await shown('text/markdown', 'two');
    expect(rich.textContent?.trim()).toBe('two');
  });
});

it('LaTeX is a formula', async () => {
  const rich = await shown('text/latex', '$\\displaystyle \\frac{1}{2}$');
  await vi.waitFor(() => expect(rich.querySelector('math mfrac')).not.toBeNull());
});

it('what is wider than its place can be scrolled by keyboard', async () => {
  vi.spyOn(Element.prototype, 'scrollWidth', 'get').mockImplementation(function (this: Element) {
    return this.matches('pre') ? 500 : 0;
  });
  const rich = await shown('text/markdown', '| a |\n|---|\n| 1 |\n\n```\nlong\n```');
  await vi.waitFor(() => expect(rich.querySelector('pre')?.getAttribute('tabindex')).toBe('0'));
  expect(rich.querySelector('table')?.hasAttribute('tabindex')).toBe(false);
});

describe('an output', () => {
  const draw = (data: Record<string, unknown>): void =>
    act(() => root.render(<OutputView output={{ output_type: 'display_data', data }} />));

  it('that brings a picture is that picture, whatever else could draw it', () => {
    draw({ 'application/vnd.vega.v5+json': {}, 'image/png': 'iVBORw0KGgo=', 'text/html': '<script>draw()</script>', 'text/plain': 'chart' });
    expect(box.querySelector('img')?.getAttribute('alt')).toBe('chart');
    expect(box.querySelector('iframe')).toBeNull();
  });

  it('that is data is that data, not what the data calls itself', () => {
    draw({ 'application/json': { a: [1] }, 'text/plain': '<IPython.core.display.JSON object>' });
    expect(JSON.parse(box.textContent ?? '')).toEqual({ a: [1] });
  });

  it('that only scripts could draw is its text, and says why', () => {
    draw({ 'text/html': '<div id="p"></div><script>Plotly.newPlot("p")</script>', 'text/plain': 'Figure({})' });
    expect(box.querySelector('iframe')).toBeNull();
    expect(box.textContent).toContain('Figure({})');
    expect(box.textContent).toContain('scripts, which are not run in rooms');
  });
});
