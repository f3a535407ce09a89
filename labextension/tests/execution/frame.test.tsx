import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { frameStyle } from '../../src/execution/frame';
import { OutputView } from '../../src/execution/output';

function shown(data: Record<string, unknown>): HTMLElement {
  const box = document.createElement('div');
  box.innerHTML = renderToStaticMarkup(<OutputView output={{ output_type: 'display_data', data }} />);
  return box;
}

describe('HTML output', () => {
  it('is in a frame that runs no scripts and has a name', () => {
    const frame = shown({ 'text/html': '<b>bold</b><script>alert(1)</script>' }).querySelector('iframe');
    expect(frame?.getAttribute('sandbox')).toBe('allow-same-origin');
    expect(frame?.getAttribute('title')).toBe('HTML output');
    const inner = new DOMParser().parseFromString(frame?.getAttribute('srcdoc') ?? '', 'text/html');
    expect(inner.body.innerHTML).toBe('<b>bold</b>');
    expect(inner.querySelector('script')).toBeNull();
  });

  it('cannot leave its body', () => {
    const hostile = '</body></html><head><meta http-equiv="refresh" content="0;url=https://evil.test"></head>"><b>x</b>';
    const frame = shown({ 'text/html': hostile }).querySelector('iframe');
    const inner = new DOMParser().parseFromString(frame?.getAttribute('srcdoc') ?? '', 'text/html');
    expect(inner.querySelectorAll('meta')).toHaveLength(1);
    expect(inner.querySelector('meta')?.getAttribute('charset')).toBe('utf-8');
    expect(inner.body.textContent).toContain('x');
  });

  it('is dressed in the colours of its place', () => {
    const place = document.createElement('div');
    place.style.cssText = 'color: rgb(1, 2, 3); --cp-link: #123456';
    document.body.append(place);
    expect(frameStyle(getComputedStyle(place))).toContain('color: rgb(1, 2, 3)');
    expect(frameStyle(getComputedStyle(place))).toContain('--cp-link: #123456');
  });
});

describe('a drawing', () => {
  it('stays an image', () => {
    const box = shown({ 'image/svg+xml': '<svg onload="alert(1)"></svg>' });
    expect(box.querySelector('svg, iframe')).toBeNull();
    expect(box.querySelector('img')?.getAttribute('src')).toMatch(/^data:image\/svg\+xml/);
  });
});
