// What several pages have to do with time.
import { useEffect, useRef, useState } from "./lib/preact.js";

/** A value that changes with the latest one, but not more often than every so many ms. */
export function useSlowly(value, every) {
  const [shown, setShown] = useState(value);
  const latest = useRef(value);
  const timer = useRef(0);
  latest.current = value;
  useEffect(() => {
    if (shown === value) return;
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      setShown(latest.current);
    }, every);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return shown;
}

/** A number that grows every so many ms while the page is seen, to draw again what ages; 0 ms is never. */
export function useTick(every) {
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (!every) return;
    const timer = setInterval(() => !document.hidden && setCount((k) => k + 1), every);
    return () => clearInterval(timer);
  }, [every]);
  return count;
}
