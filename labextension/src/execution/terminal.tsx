/** The text that a program prints, as a terminal without a height would show it. */
import { type CSSProperties, memo, type ReactNode, useRef } from 'react';
import { type IBlock, type ISpan, Screen } from './ansi';

/** About as much text as is drawn at a time: browsers get slow long before the server's limit. */
export const SHOWN_CHARACTERS = 200_000;

/** Where the end of a text begins that is shown: not in the middle of a line, nor of an escape sequence, if one ends near. */
export function endBegins(text: string, characters: number): number {
  const from = Math.max(0, text.length - characters);
  const line = from && text.indexOf('\n', from);
  return line > 0 && line - from < 1000 ? line + 1 : from;
}

/** The line that stands for what is not shown of a text. */
export function hiddenWords(hidden: number): string {
  return `… ${hidden.toLocaleString()} earlier characters are not shown\n`;
}

/** What of a growing text is shown: all of it, or its end; more is read only once. */
export class Scroll {
  private _screen = new Screen();
  private _text = '';
  private _from = 0;

  /** Characters at the beginning that are not shown. */
  get hidden(): number {
    return this._from;
  }

  show(text: string): IBlock[] {
    if (!text.startsWith(this._text) || text.length - this._from > 2 * SHOWN_CHARACTERS) {
      this._screen = new Screen();
      this._from = endBegins(text, SHOWN_CHARACTERS);
      this._screen.feed(text.slice(this._from));
    } else {
      this._screen.feed(text.slice(this._text.length));
    }
    this._text = text;
    return this._screen.blocks();
  }
}

function Span(props: { span: ISpan }): JSX.Element {
  const { text, className, color, background } = props.span;
  if (!className) {
    return <>{text}</>;
  }
  const style = color || background ? ({ '--cp-ansi-exact': color, backgroundColor: background } as CSSProperties) : undefined;
  return (
    <span className={className} style={style}>
      {text}
    </span>
  );
}

/** So many blocks are drawn, or not, together once more has come below: browsers watch each such part. */
const GROUP_BLOCKS = 10;

/** What is not drawn before it is scrolled to, and is as high until then as its lines would be. */
function Part(props: { lines: number; children: ReactNode }): JSX.Element {
  return (
    <span className="cp-out-part" style={{ containIntrinsicBlockSize: `auto ${(props.lines * 1.4).toFixed(1)}em` }}>
      {props.children}
    </span>
  );
}

const Block = memo(function Block(props: { block: IBlock; watched: boolean }): JSX.Element {
  const spans = props.block.spans.map((span, i) => <Span key={i} span={span} />);
  return props.watched ? <Part lines={props.block.lines}>{spans}</Part> : <span className="cp-out-block">{spans}</span>;
});

const Group = memo(
  function Group(props: { blocks: IBlock[] }): JSX.Element {
    const { blocks } = props;
    return (
      <Part lines={blocks.reduce((lines, block) => lines + block.lines, 0)}>
        {blocks.map(block => (
          <Block key={block.key} block={block} watched={false} />
        ))}
      </Part>
    );
  },
  (one, other) => one.blocks.every((block, i) => block === other.blocks[i])
);

/** Whole groups, and single blocks at the end, of which one changes all the time. */
function parts(blocks: IBlock[]): JSX.Element[] {
  const grouped = Math.floor((blocks.length - 1) / GROUP_BLOCKS) * GROUP_BLOCKS;
  const groups: JSX.Element[] = [];
  for (let first = 0; first < grouped; first += GROUP_BLOCKS) {
    groups.push(<Group key={`from ${first}`} blocks={blocks.slice(first, first + GROUP_BLOCKS)} />);
  }
  return [...groups, ...blocks.slice(grouped).map(block => <Block key={block.key} block={block} watched />)];
}

export function Terminal(props: { text: string; kind: string }): JSX.Element {
  const scroll = useRef<Scroll | null>(null);
  scroll.current ??= new Scroll();
  const blocks = scroll.current.show(props.text);
  const { hidden } = scroll.current;
  return (
    <pre className={`cp-out cp-out-${props.kind}`} tabIndex={props.kind === 'error' ? 0 : undefined}>
      {hidden > 0 && (
        <span className="cp-muted">{hiddenWords(hidden)}</span>
      )}
      {parts(blocks)}
    </pre>
  );
}
