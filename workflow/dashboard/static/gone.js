// What is shown when the server does not answer, or does not know this browser.
import { html } from "./lib/preact.js";
import { roughly, sentence } from "./format.js";
import { useTick } from "./hooks.js";
import { quoted } from "./links.js";
import { prose } from "./prose.js";
import { Command } from "./ui.js";

/** A lost connection is back at once most times: before this (ms) it is not worth a word. */
export const PATIENCE = 5500;

/** In place of a page: what is wrong, and what to do about it. */
export function Gone({ error, run, retry }) {
  if (error.status === 401) return html`<div class="gone" role="alert"><${Refused} /></div>`;
  if (error.status === 0) {
    return html`<div class="gone" role="alert">
      <h2>The dashboard does not answer</h2>
      <p>It may have ended. Start it again where it was started, and open the address that it prints.</p>
      <${Command} text=${command("")} />
      <p class="soft">If it runs on another machine, look whether the tunnel (ssh -L) still stands.</p>
    </div>`;
  }
  const missing = error.status === 404 && run;
  return html`<div class="gone" role="alert">
    <h2>${missing ? `There is no run ${run}` : "This does not work"}</h2>
    <p>${missing ? "" : prose(sentence(error.words))} ${prose(sentence(error.do))}</p>
    <p class="buttons">
      <a href="#/">All campaigns</a>
      <button type="button" onClick=${retry}>Try again</button>
    </p>
  </div>`;
}

/** Above a page whose connection is lost. */
export function Lost({ live, folder }) {
  const lost = live.seq >= 0 && (live.connection === "lost" || live.refused);
  useTick(lost ? 1000 : 0);
  const silent = performance.now() - live.heard;
  if (!lost || silent < PATIENCE) return null;
  if (live.refused) return html`<div class="banner" role="alert"><${Refused} /></div>`;
  return html`<div class="banner" role="alert">
    <h2>The dashboard does not answer</h2>
    <p>
      What you see is <span aria-hidden="true">${roughly(silent / 1000)}</span> old. If the dashboard ended,
      start it again and open the address that it prints; this page then goes on.
    </p>
    <${Command} text=${command(folder)} />
  </div>`;
}

function Refused() {
  return html`<h2>This browser has no key to the dashboard</h2>
    <p>
      Each start of a dashboard makes a new one. Open the address that${" "}
      <code>mlaround dashboard</code> printed, whole, with what follows <code>?token=</code>; this page then
      goes on.
    </p>`;
}

function command(folder) {
  const port = location.port && location.port !== "8765" ? ` --port ${location.port}` : "";
  return `mlaround dashboard${folder && ` ${quoted(folder)}`}${port}`;
}
