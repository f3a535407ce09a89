/** HTML of output in a frame of its own, in which no script can run. */
import { useEffect, useMemo, useRef } from 'react';
import { sanitizeHtml } from './sanitize';

const LINK = /^https?:\/\//i;
const VARIABLES = ['--jp-border-color1', '--jp-layout-color1', '--cp-link', '--cp-focus'];

/** The frame's own style sheet, in the colours and letters that its place on the page has now. */
export function frameStyle(place: CSSStyleDeclaration): string {
  const variables = VARIABLES.map(name => `${name}: ${place.getPropertyValue(name)};`).join(' ');
  return `
    html { ${variables} color-scheme: ${place.colorScheme || 'normal'}; overflow: hidden; }
    body {
      background: transparent; color: ${place.color}; font-family: ${place.fontFamily};
      font-size: ${place.fontSize}; line-height: ${place.lineHeight}; margin: 0;
      overflow: auto hidden; padding: 4px 0;
    }
    body:focus-visible { outline: 2px solid var(--cp-focus); outline-offset: -2px; }
    a { color: var(--cp-link); }
    img { max-width: 100%; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    td, th { padding: 4px 8px; text-align: right; }
    thead th { border-bottom: 1px solid var(--jp-border-color1); }
    tbody tr:nth-child(odd) { background: var(--jp-layout-color1); }
  `;
}

/** Dress the frame's document, follow its height, open its links; returns how to stop. */
function attend(frame: HTMLIFrameElement): () => void {
  const inner = frame.contentDocument;
  const view = inner?.defaultView;
  if (!inner?.body || !view) {
    return () => undefined;
  }
  // Not a style element: the page's policy lets none in, and this needs no exception from it.
  const sheet = new (view as Window & typeof globalThis).CSSStyleSheet();
  inner.adoptedStyleSheets = [sheet];
  const dress = (): void => sheet.replaceSync(frameStyle(getComputedStyle(frame)));
  dress();
  const themes = new MutationObserver(dress);
  for (const element of [document.documentElement, document.body]) {
    themes.observe(element, { attributeFilter: ['data-theme', 'data-jp-theme-name'] });
  }
  const heights = new ResizeObserver(() => {
    frame.style.height = `${Math.ceil(inner.body.getBoundingClientRect().height)}px`;
  });
  heights.observe(inner.body);
  // The sandbox opens no windows; what is a plain link opens from here, and tells nothing.
  const open = (event: MouseEvent): void => {
    const link = (event.target as Element | null)?.closest?.('a[href]');
    if (link) {
      event.preventDefault();
      const target = link.getAttribute('href') ?? '';
      if (LINK.test(target)) {
        window.open(target, '_blank', 'noopener,noreferrer');
      }
    }
  };
  inner.addEventListener('click', open);
  return () => {
    themes.disconnect();
    heights.disconnect();
    inner.removeEventListener('click', open);
  };
}

export function HtmlFrame(props: { html: string }): JSX.Element {
  const frame = useRef<HTMLIFrameElement>(null);
  const stop = useRef<() => void>(() => undefined);
  const page = useMemo(
    () =>
      '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>HTML output</title></head>' +
      `<body tabindex="0">${sanitizeHtml(props.html)}</body></html>`,
    [props.html]
  );
  useEffect(() => () => stop.current(), []);
  return (
    <iframe
      ref={frame}
      className="cp-out cp-out-html"
      title="HTML output"
      sandbox="allow-same-origin"
      referrerPolicy="no-referrer"
      srcDoc={page}
      onLoad={() => {
        stop.current();
        stop.current = frame.current ? attend(frame.current) : () => undefined;
      }}
    />
  );
}
