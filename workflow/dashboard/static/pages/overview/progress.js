// The bar of all simulations by what became of them, and when the rest will be done.
import { html, useEffect, useRef, useState } from "../../lib/preact.js";
import { address, counted, counts, number, OF_SIMULATIONS, Panel, percent, roughly, sentence, version }
  from "../../ui.js";

const SPOKEN = 5000; // ms between two announcements of the counts
const PARTS = [
  ...Object.entries(OF_SIMULATIONS).map(([state, { symbol, name }]) => [state, symbol, name]),
  ["unproposed", "·", "not proposed yet"],
];
const ALWAYS = ["done", "failed"]; // shown though they be none

export function Progress({ run, status, eta, training }) {
  const of = counts(status.simulations);
  const whole = Object.values(of).reduce((a, b) => a + b, 0) || 1;
  const some = PARTS.filter(([key]) => of[key] > 0);
  const listed = PARTS.filter(([key]) => of[key] > 0 || ALWAYS.includes(key));
  const words = some.map(([key, , name]) => `${number(of[key])} ${name}`).join(", ");
  const part = ([key]) => html`<i key=${key} class=${key} style=${{ flexGrow: of[key] / whole }}></i>`;
  return html`<${Panel} title="Simulations" summary=${remaining(status, eta, training)}>
    <div class="state-bar" role="img" aria-label=${words}>${some.map(part)}</div>
    <ul class="counts">${listed.map(
      ([key, symbol, name]) => html`<${Count} key=${key} of=${{ run, key, symbol, name, count: of[key] }} />`,
    )}</ul>
    <${Spoken} words=${`${status.state}: ${words}`} />
  <//>`;
}

/** A count, which leads to the simulations that it counts. */
function Count({ of: { run, key, symbol, name, count } }) {
  const inside = html`<i class=${key} aria-hidden="true">${symbol}</i> <b>${number(count)}</b> ${name}`;
  return html`<li class=${count ? "" : "none"}>
    ${key === "unproposed" ? html`<span>${inside}</span>`
      : html`<a href=${address(run, "tasks", { state: key })}>${inside}</a>`}
  </li>`;
}

/** How far it is, and when the rest will be done, in words. */
function remaining({ state, reason, simulations: { done, failed, lost, total } }, eta, training) {
  const over = done + failed + lost;
  const share = `${percent(total ? over / total : 0)} of ${counted(total, "simulation")}.`;
  return [share, left(state, reason, eta, over < total), training && `Model ${version(training)} is being trained.`]
    .filter(Boolean)
    .join(" ");
}

function left(state, reason, eta, more) {
  if (state === "paused") return "Nothing new starts until it is resumed.";
  if (state !== "running") return sentence(reason);
  if (!eta) return more ? "The time left is not known yet." : "";
  const [low, high] = [eta.seconds - eta.spread, eta.seconds + eta.spread].map(roughly);
  const range = eta.spread < 0.9 * eta.seconds ? `${low} to ${high}` : `up to ${high}`;
  return `About ${roughly(eta.seconds)} left (${range}), until ${timeOfDay(eta.seconds)}.`;
}

function timeOfDay(after) {
  const date = new Date(Date.now() + 1000 * after);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (after < 43200) return `about ${time}`;
  return `${date.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" })}, ${time}`;
}

/** The counts for screen readers, not more often than can be listened to. */
function Spoken({ words }) {
  const [said, setSaid] = useState(words);
  const newest = useRef(words);
  newest.current = words;
  useEffect(() => {
    if (said === words) return;
    const timer = setTimeout(() => setSaid(newest.current), SPOKEN);
    return () => clearTimeout(timer);
  }, [said, said === words]);
  return html`<p class="spoken" role="status">${said}</p>`;
}
