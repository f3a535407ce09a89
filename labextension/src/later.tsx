/** Parts of the page that are loaded when somebody first wants to see them. */
import { type ComponentType, useEffect, useState } from 'react';

/** A view in a file of its own; where that cannot be loaded (the line is down) it says so, and tries again when it is shown again. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | null = null;
  return function Later(props: P): JSX.Element {
    const [View, setView] = useState<ComponentType<P> | null>(() => loaded);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (!View) {
        load().then(
          view => {
            loaded = view;
            setView(() => view);
          },
          () => setFailed(true)
        );
      }
    }, []);
    if (View) {
      return <View {...props} />;
    }
    return (
      <p className="cp-empty" role="status">
        {failed ? 'This could not be loaded. Try again when the connection is back, or reload the page.' : 'Loading…'}
      </p>
    );
  };
}
