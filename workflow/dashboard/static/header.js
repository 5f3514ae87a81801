// The line above every page: which run, how it is, how fresh this is, and what can be done.
import { html } from "./lib/preact.js";
import { Actions, ENDED } from "./actions.js";
import { PATIENCE } from "./gone.js";
import { ago, roughly } from "./format.js";
import { useTick } from "./hooks.js";
import { StateBadge } from "./ui.js";

/** Without a sign of life for so long, what is shown may be old (ms): the server speaks every 15 s. */
const STALLED = 20000;

export function Header({ at, title, about, live, openMenu }) {
  return html`<header class="top">
    <button type="button" class="menu-button" aria-label="Open the navigation" onClick=${openMenu}>
      ☰
    </button>
    <div class="where">
      <h1 class="wrap">${title || at.run}</h1>
      ${title && at.run && html`<span class="run-name">${at.run}</span>`}
    </div>
    ${about && html`<${How} run=${at.run} about=${about} live=${live} />`}
  </header>`;
}

function How({ run, about, live }) {
  const { status, paused } = live?.summary ?? {};
  const hint = "This dashboard was started with --read-only.";
  return html`<div class="how">
    ${status && html`<${StateBadge} state=${status.state} />`}
    ${live?.seq >= 0 && html`<${Fresh} live=${live} ended=${ENDED.includes(status?.state)} />`}
    ${about.read_only && html`<span class="badge" title=${hint}>read-only</span>`}
    <${Actions} run=${run} about=${about} status=${status} paused=${paused} />
  </div>`;
}

/** How old what is shown is. */
function Fresh({ live, ended }) {
  useTick(1000);
  const now = performance.now();
  const silent = now - live.heard;
  const polling = live.connection === "polling";
  const lost = live.connection === "lost";
  let [tone, symbol, words] = [
    "good",
    live.connection === "live" ? "●" : "◌",
    `updated ${age((now - live.updated) / 1000)} ago`,
  ];
  if (silent > (lost ? PATIENCE : STALLED)) {
    [tone, symbol, words] = ["bad", "✕", `stalled ${roughly(silent / 1000)}`];
  } else if (ended) words = `last event ${ago(live.eventTime)}`;
  const title = polling
    ? "Something between this page and the server holds the live stream back: it asks every 2 s instead."
    : "The age of what is shown. Changes come as they happen.";
  return html`<span class="fresh ${tone}" title=${title}>
    <span aria-hidden="true">${symbol}</span> ${words}
  </span>`;
}

const age = (seconds) => (seconds < 1 ? `${seconds.toFixed(1)} s` : roughly(seconds));
