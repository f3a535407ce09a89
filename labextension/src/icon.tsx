/** An icon of 24 by 24 units, in the colour of the text. */

export function Icon(props: { path: string }): JSX.Element {
  return (
    <svg className="cp-icon" viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">
      <path fill="currentColor" d={props.path} />
    </svg>
  );
}
