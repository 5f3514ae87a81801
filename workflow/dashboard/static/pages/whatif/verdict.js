// Whether the answer may be believed: in words, with a shape and a colour.
import { html, useEffect, useRef, useState } from "../../lib/preact.js";
import { number } from "../../ui.js";

const KINDS = {
  inside: { symbol: "●", title: "Inside the trained domain", state: "good" },
  near: { symbol: "▲", title: "Inside the trained domain, near its edge", state: "warn" },
  failing: { symbol: "▲", title: "Inside the trained domain, but simulations fail here", state: "warn" },
  outside: { symbol: "✕", title: "Outside the trained domain", state: "bad" },
};
/** Between two announcements to a screen reader, and before the first (ms). */
const PAUSE = 5000;
const SETTLED = 800;

export const verdictKind = ({ in_domain: inside, near_edge: near, failed }) =>
  (!inside ? "outside" : failed ? "failing" : near ? "near" : "inside");

const failing = ({ nearer, distance }) => `${
  nearer === 1 ? "A failed simulation is" : `${number(nearer)} failed simulations are`
} nearer than any that taught the model${nearer === 1 ? "" : ", the nearest of them"} ${
  number(distance, 2)} box widths away.`;

/** The verdict on an answer. */
export function Verdict({ answer }) {
  const kind = verdictKind(answer);
  const { symbol, title, state } = KINDS[kind];
  const limit = answer.distance_limit;
  const away = `The nearest training simulation is ${number(answer.distance, 2)} box widths away${
    Number.isFinite(limit) ? `; up to ${number(limit, 2)} is accepted` : ""}.`;
  const words = { inside: () => away, failing: () => `${failing(answer.failed)} ${away}` }[kind]?.() ??
    sentence(answer.reason);
  const say = [`${title}.`, kind === "inside" ? "" : words, kind === "outside" ? "Do not rely on this." : ""];
  return html`<div class="whatif-verdict ${kind}">
    <span class="whatif-sign ${state}" aria-hidden="true">${symbol}</span>
    <div><strong class=${state}>${title}</strong>
      <p>${words}${kind === "outside" && html` <strong>Do not rely on this.</strong>`}</p></div>
    <${Announced} words=${say.filter(Boolean).join(" ")} />
  </div>`;
}

/** Says words once they have settled, and not too often. */
function Announced({ words }) {
  const [said, setSaid] = useState("");
  const last = useRef(-Infinity);
  useEffect(() => {
    const wait = Math.max(SETTLED, last.current + PAUSE - performance.now());
    const timer = setTimeout(() => {
      last.current = performance.now();
      setSaid(words);
    }, wait);
    return () => clearTimeout(timer);
  }, [words]);
  return html`<p class="whatif-said" role="status" aria-live="polite">${said}</p>`;
}

const sentence = (words) => (words ? `${words}.` : "");
