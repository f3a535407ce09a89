/** The bar between code and output: dragged, or moved with the arrow keys. */
import { useEffect, useState } from 'react';

const KEY = 'codepad-split';
const STEP = 4;

function kept(): number {
  try {
    return Number(localStorage.getItem(KEY)) || 58;
  } catch {
    return 58;
  }
}

export function Splitter(): JSX.Element {
  const [percent, setPercent] = useState(kept);
  useEffect(() => {
    document.documentElement.style.setProperty('--cp-split', String(percent / 100));
    try {
      localStorage.setItem(KEY, String(percent));
    } catch {
      // storage is off: the split lasts as long as the page
    }
  }, [percent]);
  const move = (value: number): void => setPercent(Math.min(80, Math.max(25, Math.round(value))));
  return (
    <div
      className="cp-splitter"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the code"
      aria-valuenow={percent}
      aria-valuemin={25}
      aria-valuemax={80}
      tabIndex={0}
      onKeyDown={event => {
        if (event.key === 'ArrowLeft') {
          move(percent - STEP);
        } else if (event.key === 'ArrowRight') {
          move(percent + STEP);
        }
      }}
      onPointerDown={event => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={event => {
        if (event.buttons & 1) {
          const left = event.currentTarget.previousElementSibling?.getBoundingClientRect().left ?? 0;
          const right = event.currentTarget.nextElementSibling?.getBoundingClientRect().right ?? 0;
          move(((event.clientX - left) / (right - left)) * 100);
        }
      }}
    />
  );
}
