/**
 * Markdown and LaTeX by JupyterLab's own renderers, never trusted; loaded when there is something for them.
 *
 * What they make goes through our sanitizer: no scripts, no style, nothing remote.
 */
import type { IRenderMime } from '@jupyterlab/rendermime';
// Not from its index: that would bring the sanitizer, dialogs and icons of JupyterLab along.
import { MimeModel } from '@jupyterlab/rendermime/lib/mimemodel';
import { RenderedLatex, RenderedMarkdown } from '@jupyterlab/rendermime/lib/widgets';
import { Widget } from '@lumino/widgets';
import { Marked } from 'marked';
import { useLayoutEffect, useRef, useState } from 'react';
import { sanitizeHtml } from './sanitize';

const MATH = /\$|\\[([]|\\begin\{/;

const marked = new Marked({
  gfm: true,
  async: false,
  renderer: {
    // The sanitizer takes every form out, and a list of tasks would lose what is done.
    checkbox: ({ checked }) => (checked ? '☑' : '☐')
  }
});

/** Formulas as MathML, which browsers draw themselves: no style sheet, no fonts, nothing inline. */
const latexTypesetter: IRenderMime.ILatexTypesetter = {
  typeset: element => {
    if (MATH.test(element.textContent ?? '')) {
      void import('./math').then(({ typeset }) => typeset(element));
    }
  }
};

const RENDERERS = { 'text/markdown': RenderedMarkdown, 'text/latex': RenderedLatex };

export type RichMime = keyof typeof RENDERERS;

const WIDE = 'pre, table, math[display="block"]';

/** Let the keyboard come to what is wider than its place, to scroll it. Returns how to stop. */
function reachWide(host: HTMLElement): () => void {
  const look = (): void => {
    for (const element of [host, ...host.querySelectorAll(WIDE)]) {
      if (element.scrollWidth > element.clientWidth) {
        element.setAttribute('tabindex', '0');
      } else {
        element.removeAttribute('tabindex');
      }
    }
  };
  const sizes = new ResizeObserver(look);
  sizes.observe(host);
  return () => sizes.disconnect();
}

/** Draw a source into an element; `done` is called when it is there. Returns how to take it away. */
function renderInto(host: HTMLElement, mime: RichMime, source: string, done: () => void): () => void {
  const renderer = new RENDERERS[mime]({
    mimeType: mime,
    resolver: null,
    linkHandler: null,
    sanitizer: { sanitize: dirty => sanitizeHtml(dirty) },
    markdownParser: { render: text => Promise.resolve(marked.parse(text) as string) },
    latexTypesetter
  });
  Widget.attach(renderer, host);
  renderer.renderModel(new MimeModel({ data: { [mime]: source }, trusted: false })).then(done, done);
  return () => renderer.dispose();
}

export default function RichView(props: { mime: RichMime; source: string }): JSX.Element {
  const { mime, source } = props;
  const host = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState<number>();
  // While the element is still on the page: a widget of Lumino's cannot leave it otherwise.
  useLayoutEffect(() => {
    const element = host.current as HTMLElement;
    const remove = renderInto(element, mime, source, () => setHeight(undefined));
    const stop = reachWide(element);
    return () => {
      stop();
      // What comes next takes this place: the page must not jump meanwhile.
      setHeight(element.offsetHeight);
      remove();
    };
  }, [mime, source]);
  return <div className="cp-out cp-out-rich" ref={host} style={{ minHeight: height }} />;
}
