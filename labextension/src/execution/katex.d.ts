/** KaTeX ships no types for this part of it. */
declare module 'katex/contrib/auto-render' {
  import type { KatexOptions } from 'katex';

  interface IDelimiter {
    left: string;
    right: string;
    display: boolean;
  }

  export default function renderMathInElement(element: HTMLElement, options?: KatexOptions & { delimiters?: IDelimiter[] }): void;
}
