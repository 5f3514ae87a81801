// The bar of all simulations by what became of them, and when the rest will be done.
import { html, useEffect, useState } from "../../lib/preact.js";
import { address, counted, number, Panel, percent, roughly } from "../../ui.js";

const SPOKEN = 5000; // ms between two announcements of the counts
const PARTS = [
  ["done", "✓", "done"],
  ["failed", "✕", "failed"],
  ["lost", "?", "lost"],
  ["running", "▶", "running"],
  ["waiting", "○", "waiting"],
  ["unproposed", "·", "not proposed yet"],
];
const ALWAYS = ["done", "failed"];

/** Counts of simulations by state; they add up to the total. */
function counts({ done, failed, lost, running, proposed, total }) {
  const waiting = Math.max(0, proposed - done - failed - lost - running);
  return { done, failed, lost, running, waiting, unproposed: Math.max(0, total - proposed) };
}

export function Progress({ run, status, eta, training }) {
  const of = counts(status.simulations);
  const whole = Object.values(of).reduce((a, b) => a + b, 0) || 1;
  const shown = PARTS.filter(([key]) => of[key] > 0);
  const words = shown.map(([key, , name]) => `${number(of[key])} ${name}`).join(", ");
  return html`<${Panel} title="Simulations" summary=${remaining(status, eta, training)} className="progress">
    <div class="state-bar" role="img" aria-label=${words}>${shown.map(
      ([key]) => html`<i key=${key} class=${key} style=${{ flexGrow: of[key] / whole }}></i>`,
    )}</div>
    <ul class="counts">${PARTS.filter(([key]) => of[key] || ALWAYS.includes(key)).map(
      ([key, symbol, name]) => html`<li key=${key} class=${of[key] ? "" : "none"}>
        <${Count} run=${run} state=${key}>
          <i class=${key} aria-hidden="true">${symbol}</i> <b>${number(of[key])}</b> ${name}
        <//>
      </li>`,
    )}</ul>
    <${Spoken} words=${`${status.state}: ${words}`} />
  <//>`;
}

function Count({ run, state, children }) {
  if (state === "unproposed") return html`<span>${children}</span>`;
  return html`<a href=${address(run, "tasks", { state })}>${children}</a>`;
}

/** When the rest will be done, in words. */
function remaining({ state, reason, simulations: { done, failed, lost, total } }, eta, training) {
  const share = `${percent(total ? (done + failed + lost) / total : 0)} of ${counted(total, "simulation")}`;
  const learning =
    training === null || training === undefined ? "" : ` Model v${training} is being trained.`;
  if (state !== "running")
    return `${share}.${reason ? ` ${reason[0].toUpperCase()}${reason.slice(1)}.` : ""}${learning}`;
  if (!eta) return `${share}. ${done + failed < total ? "The time left is not known yet." : ""}${learning}`;
  const low = Math.max(0, eta.seconds - eta.spread);
  const high = eta.seconds + eta.spread;
  const at = new Date(Date.now() + 1000 * eta.seconds).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
  });
  return `${share}. About ${roughly(eta.seconds)} left (${range(low, high)}), until about ${at}.${learning}`;
}

const range = (low, high) =>
  roughly(low) === roughly(high) ? `within ${roughly(high - low)}` : `${roughly(low)} to ${roughly(high)}`;

/** The same for screen readers, not more often than can be listened to. */
function Spoken({ words }) {
  const [said, setSaid] = useState(words);
  useEffect(() => {
    if (said === words) return;
    const timer = setTimeout(() => setSaid(words), SPOKEN);
    return () => clearTimeout(timer);
  }, [said === words]);
  return html`<p class="spoken" role="status">${said}</p>`;
}
