/** The last screen: why there is no room any more, in words. */

const TITLES: Record<number, string> = {
  4401: 'Your way into this room has ended',
  4403: 'You are not in this room any more',
  4404: 'This room is not here',
  4410: 'The room is closed',
  4411: 'The room’s time is over',
  4412: 'The room was deleted',
  4413: 'The pad is full',
  4400: 'The connection was refused',
  4425: 'You are in the lobby now',
  1009: 'That was too much at once'
};

export function EndScreen(props: {
  title?: string;
  code?: number;
  words: string;
  unsaved?: boolean;
  text?: string;
  /** Where the person can come in again, if anywhere. */
  back?: string | null;
  icon?: string;
  /** Whether the same room can be entered again. */
  again?: boolean;
}): JSX.Element {
  const title = props.title ?? TITLES[props.code ?? 0] ?? 'The room has ended';
  const again = props.again === true || props.code === 1009 || props.code === 4400 || props.code === 4413 || props.code === 4425;
  return (
    <main className="cp-end" data-testid="end-screen" data-code={props.code}>
      {props.icon && <img src={props.icon} alt="Codepad" width={32} height={32} />}
      <h1>{title}</h1>
      <p>{props.words}</p>
      {props.unsaved && props.text !== undefined && (
        <>
          <p role="alert">Your last changes did not reach the server. This is the text as you saw it:</p>
          <KeptText text={props.text} />
        </>
      )}
      {!props.unsaved && props.text !== undefined && props.again && <KeptText text={props.text} />}
      {props.back && (
        <a className="cp-button cp-primary" href={props.back}>
          Join again
        </a>
      )}
      {again && (
        <button className="cp-button cp-primary" onClick={() => location.reload()}>
          Enter again
        </button>
      )}
    </main>
  );
}

/** A text that is nowhere but on this page: to be copied, or saved as a file. */
function KeptText(props: { text: string }): JSX.Element {
  const save = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([props.text], { type: 'text/plain' }));
    link.download = 'pad.txt';
    link.click();
  };
  return (
    <>
      <textarea readOnly value={props.text} aria-label="Your text" rows={12} />
      <p>
        <button className="cp-button" data-testid="save-text" onClick={save}>
          Save as a file
        </button>
      </p>
    </>
  );
}
