// Answers of the server that are asked for again as the run goes on.
import { api } from "../../ui.js";
import { useEffect, useRef, useState } from "../../lib/preact.js";

/**
 * The answer at an address: asked for at once when the address changes, and again when `news` does, not more
 * often than every so many ms and only while the page is seen. What was there stays until the next one comes.
 * @param {string|null} path nothing is asked for where it is null
 * @param {*} news
 * @param {number} every ms
 * @returns {{data: object|null, error: Error|null, path: string|null, again: () => void}} `path` is that
 *   of `data`
 */
export function useFetched(path, news, every) {
  const [state, setState] = useState({ data: null, error: null, path: null });
  const at = useRef({ path: null, last: 0, timer: 0, asking: null });
  const ask = () => {
    const now = at.current;
    clearTimeout(now.timer);
    now.timer = 0;
    now.last = performance.now();
    now.refused = false; // what is wrong with the question does not pass with time
    now.asking?.abort();
    if (!path) return setState({ data: null, error: null, path: null });
    const asking = (now.asking = new AbortController());
    api(path, { signal: asking.signal }).then(
      (data) => now.asking === asking && ((now.asking = null), setState({ data, error: null, path })),
      (error) => {
        if (now.asking !== asking) return;
        now.asking = null;
        now.refused = error.status === 400;
        setState((old) => ({ data: old.path === path ? old.data : null, error, path }));
      },
    );
  };
  at.current.ask = ask;
  useEffect(ask, [path]);
  useEffect(() => {
    const now = at.current;
    if (now.path !== path) return void (now.path = path); // the effect above has asked
    if (now.timer || !path || now.refused) return;
    const later = () => {
      now.timer = 0;
      // Slow answers are waited for; while nobody looks, what has changed since is asked for afterwards.
      if (document.hidden || now.asking) now.timer = setTimeout(later, every);
      else now.ask();
    };
    now.timer = setTimeout(later, Math.max(0, now.last + every - performance.now()));
  }, [news, path]);
  useEffect(
    () => () => {
      clearTimeout(at.current.timer);
      at.current.asking?.abort();
    },
    [],
  );
  return { ...state, again: ask };
}
