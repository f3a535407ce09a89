/** One output of code, shown safely. */
import { lazy, memo, Suspense } from 'react';
import { HtmlFrame } from './frame';
import type { Output } from './model';
import { hasText } from './sanitize';
import { Terminal } from './terminal';

// JupyterLab's own renderers: large, and loaded by those only who have something for them.
const RichView = lazy(() => import('./rich'));

const BASE64 = /^[a-z0-9+/=\s]+$/i;
const SCRIPT = /<script\b/i;
const RICH = ['text/markdown', 'text/latex'] as const;

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.join('');
  }
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function Display(props: { data: Record<string, unknown> }): JSX.Element {
  const { data } = props;
  const alt = data['text/plain'] ? textOf(data['text/plain']).slice(0, 200) : 'Output image';
  // A picture first: also what draws itself with scripts elsewhere brings one along.
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
  const plain = data['application/json'] ?? data['text/plain'];
  const text = plain === undefined ? '' : textOf(plain);
  if (data['text/html'] !== undefined) {
    return <Html html={textOf(data['text/html'])} text={text} />;
  }
  const rich = RICH.find(mime => data[mime] !== undefined);
  if (rich) {
    const source = textOf(data[rich]);
    return (
      <Suspense fallback={<Terminal text={text || source} kind="result" />}>
        <RichView mime={rich} source={source} />
      </Suspense>
    );
  }
  return <Terminal text={text} kind="result" />;
}

/** HTML in its frame; of what only scripts would draw, the text and why there is no more. */
function Html(props: { html: string; text: string }): JSX.Element {
  if (SCRIPT.test(props.html) && !hasText(props.html)) {
    return (
      <>
        {props.text && <Terminal text={props.text} kind="result" />}
        <p className="cp-note">This output draws itself with scripts, which are not run in rooms.</p>
      </>
    );
  }
  return <HtmlFrame html={props.html} />;
}

export const OutputView = memo(function OutputView(props: { output: Output }): JSX.Element {
  const { output } = props;
  if (output.output_type === 'stream') {
    return <Terminal text={textOf(output.text)} kind={output.name === 'stderr' ? 'stderr' : 'stdout'} />;
  }
  if (output.output_type === 'error') {
    const lines = output.traceback?.length
      ? output.traceback.join('\n')
      : `${output.ename}: ${output.evalue}`;
    return <Terminal text={lines} kind={output.ename === 'ExitStatus' ? 'exit' : 'error'} />;
  }
  return <Display data={output.data ?? {}} />;
});
