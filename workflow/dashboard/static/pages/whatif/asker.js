// Asking the server: the newest question wins, and none has to wait for long.
import { useEffect, useMemo, useState } from "../../lib/preact.js";
import { api, runPath } from "../../ui.js";

/** Questions under way at once: a slow one must not hold up the next, nor many the server. */
const AT_ONCE = 2;
/** Before the server is asked again for what it was still reading (ms). */
const AGAIN = 150;

class Asker {
  constructor(run, show) {
    this.run = run;
    this.show = show;
    this.busy = new Map(); // number of a question -> what ends it
    this.wanted = null;
    this.count = 0;
    this.shown = 0;
    this.timer = 0;
  }

  ask(query) {
    clearTimeout(this.timer);
    this.wanted = query;
    this.next();
  }

  next() {
    if (this.wanted === null || this.busy.size >= AT_ONCE) return;
    const [query, number, control] = [this.wanted, ++this.count, new AbortController()];
    this.wanted = null;
    this.busy.set(number, control);
    api(`${runPath(this.run, "predict")}?${query}`, { signal: control.signal })
      .then((answer) => this.take(number, { query, answer, trouble: null }))
      .catch((trouble) => {
        if (trouble.name !== "AbortError") this.take(number, { query, answer: null, trouble });
      })
      .finally(() => {
        this.busy.delete(number);
        this.next();
      });
  }

  take(number, result) {
    if (number < this.shown) return;
    this.shown = number;
    for (const [other, control] of this.busy) if (other < number) control.abort();
    this.show(result);
    const reading = result.answer && !result.answer.nearest_targets && !result.answer.nearest_trouble;
    if (reading && number === this.count && this.wanted === null) {
      this.timer = setTimeout(() => this.ask(result.query), AGAIN);
    }
  }

  end() {
    clearTimeout(this.timer);
    this.wanted = null;
    this.show = () => {};
    for (const control of this.busy.values()) control.abort();
  }
}

/**
 * The newest answer to a question.
 * @param {string} run
 * @param {string} query as `toQuery` gives it
 * @param {unknown} again asks anew whenever it changes
 * @returns {{query: string, answer: object|null, trouble: Error|null}} the answer shown may be to an older
 *   question; while there is trouble, `answer` is the last one that came
 */
export function useAnswer(run, query, again) {
  const [state, setState] = useState({ query: "", answer: null, trouble: null });
  const asker = useMemo(() => new Asker(run, (result) => setState((old) => ({
    ...result, answer: result.answer ? withNearest(result.answer, old.answer) : old.answer,
  }))), [run]);
  useEffect(() => () => asker.end(), [asker]);
  useEffect(() => asker.ask(query), [asker, query, again]);
  return state;
}

/** What the nearest simulation gave is kept while it is the same one. */
function withNearest(answer, old) {
  if (answer.nearest_targets || old?.nearest.simulation !== answer.nearest.simulation) return answer;
  return { ...answer, nearest_targets: old.nearest_targets };
}
