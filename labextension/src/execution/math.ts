/** LaTeX as MathML, by KaTeX. */
import type { KatexOptions } from 'katex';
import renderMathInElement from 'katex/contrib/auto-render';

const OPTIONS: KatexOptions = {
  output: 'mathml',
  throwOnError: false,
  // What anybody may have written: no links, no attributes, no loops of macros.
  trust: false,
  maxExpand: 500,
  maxSize: 20,
  strict: 'ignore'
};

/** Replace the formulas in an element by what they mean. */
export function typeset(element: HTMLElement): void {
  renderMathInElement(element, {
    ...OPTIONS,
    delimiters: [
      { left: '$$', right: '$$', display: true },
      { left: '\\[', right: '\\]', display: true },
      { left: '\\(', right: '\\)', display: false },
      { left: '$', right: '$', display: false },
      ...['equation', 'equation*', 'align', 'align*', 'gather', 'gather*', 'matrix', 'pmatrix', 'cases'].map(name => ({
        left: `\\begin{${name}}`,
        right: `\\end{${name}}`,
        display: true
      }))
    ]
  });
}
