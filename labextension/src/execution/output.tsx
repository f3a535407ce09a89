/** One output of code, shown safely. */
import { memo, useMemo } from 'react';
import { ansiSpans } from './ansi';
import { HtmlFrame } from './frame';
import type { Output } from './model';

/** Longest text drawn at once: browsers freeze long before the server's limit would matter. */
const SHOWN_CHARACTERS = 100_000;
const BASE64 = /^[a-z0-9+/=\s]+$/i;

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.join('');
  }
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function Terminal(props: { text: string; kind: string }): JSX.Element {
  const { spans, hidden } = useMemo(() => {
    const hiddenCount = Math.max(0, props.text.length - SHOWN_CHARACTERS);
    return { spans: ansiSpans(props.text.slice(hiddenCount)), hidden: hiddenCount };
  }, [props.text]);
  return (
    <pre className={`cp-out cp-out-${props.kind}`} tabIndex={props.kind === 'error' ? 0 : undefined}>
      {hidden > 0 && (
        <span className="cp-muted">{`… ${hidden.toLocaleString()} earlier characters are not shown\n`}</span>
      )}
      {spans.map((span, i) =>
        span.className ? (
          <span key={i} className={span.className}>
            {span.text}
          </span>
        ) : (
          span.text
        )
      )}
    </pre>
  );
}

function Display(props: { data: Record<string, unknown> }): JSX.Element {
  const { data } = props;
  const alt = data['text/plain'] ? textOf(data['text/plain']).slice(0, 200) : 'Output image';
  for (const mime of ['image/png', 'image/jpeg', 'image/gif']) {
    const value = data[mime] === undefined ? '' : textOf(data[mime]);
    if (BASE64.test(value)) {
      return <img className="cp-out cp-out-image" src={`data:${mime};base64,${value}`} alt={alt} />;
    }
  }
  if (data['image/svg+xml'] !== undefined) {
    // As an image a drawing can neither run scripts nor load anything.
    const source = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(textOf(data['image/svg+xml']))}`;
    return <img className="cp-out cp-out-image" src={source} alt={alt} />;
  }
  if (data['text/html'] !== undefined) {
    return <HtmlFrame html={textOf(data['text/html'])} />;
  }
  const plain =
    data['text/markdown'] ?? data['text/latex'] ?? data['text/plain'] ?? data['application/json'];
  return <Terminal text={plain === undefined ? '' : textOf(plain)} kind="result" />;
}

export const OutputView = memo(function OutputView(props: { output: Output }): JSX.Element {
  const { output } = props;
  if (output.output_type === 'stream') {
    return <Terminal text={textOf(output.text)} kind={output.name} />;
  }
  if (output.output_type === 'error') {
    const lines = output.traceback?.length
      ? output.traceback.join('\n')
      : `${output.ename}: ${output.evalue}`;
    return <Terminal text={lines} kind="error" />;
  }
  return <Display data={output.data ?? {}} />;
});
