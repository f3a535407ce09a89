/** Text of a stream as JupyterLab wants it: with what was overwritten taken out. */

const MOVES = /[\r\u0008]/;

/** Do what carriage return (back to the beginning of the line) and backspace ask for. */
export function overwritten(text: string): string {
  return MOVES.test(text) ? text.split('\n').map(overwrittenLine).join('\n') : text;
}

function overwrittenLine(line: string): string {
  let shown = '';
  for (const part of line.split('\r')) {
    const [first = '', ...rest] = part.split('\u0008');
    let place = first.length;
    shown = first + shown.slice(place);
    for (const piece of rest) {
      place = Math.max(0, place - 1);
      shown = shown.slice(0, place) + piece + shown.slice(place + Math.max(1, piece.length));
      place += piece.length;
    }
  }
  return shown;
}
