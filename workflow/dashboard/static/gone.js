// What is shown when the server does not answer, or does not know this browser.
import { html, useEffect, useState } from "./lib/preact.js";
import { roughly } from "./format.js";
import { Command } from "./ui.js";

/** A lost connection is not worth a word before this (ms): most come back at once. */
const WORTH_SAYING = 3000;

/** In place of a page, with `error`; or with `live` as a line above it, while the connection is lost. */
export function Gone({ error, live, run, folder, retry }) {
  if (live) return html`<${Lost} live=${live} folder=${folder} />`;
  if (error.status === 401) return html`<${Refused} />`;
  if (error.status === 0) {
    return html`<div class="gone" role="alert"><h2>The dashboard does not answer</h2>
      <p>It may have ended. Start it again where the runs are; this page comes back by itself.</p>
      <${Command} text="mlaround dashboard FOLDER" />
      <p class="soft">If it runs on another machine, look whether the tunnel (ssh -L) still stands.</p></div>`;
  }
  return html`<div class="gone" role="alert"><h2>${error.status === 404 && run ? `No run named ${run}` : "This does not work"}</h2>
    <p>${error.words} ${error.do}</p>
    <p><a href="#/">All runs</a>${" "}<button type="button" onClick=${retry}>Try again</button></p></div>`;
}

function Refused() {
  return html`<div class="gone" role="alert"><h2>This browser has no key to the dashboard</h2>
    <p>Each start of a dashboard has a token of its own. Open the address that <code>mlaround dashboard</code>
      printed, with its <code>?token=</code>.</p></div>`;
}

function Lost({ live, folder }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (live.connection !== "lost" && !live.refused) return;
    const timer = setInterval(() => tick((k) => k + 1), 1000);
    return () => clearInterval(timer);
  }, [live.connection, live.refused]);
  const silent = performance.now() - live.heard;
  if (live.refused) return html`<div class="banner bad"><${Refused} /></div>`;
  if (live.connection !== "lost" || silent < WORTH_SAYING || live.seq < 0) return null;
  return html`<div class="banner bad" role="status"><p><strong>The dashboard has not answered for
    <span aria-hidden="true"> ${roughly(silent / 1000)}</span>.</strong> What you see is from before. If it ended,
    start it again; this page comes back by itself.</p>
    <${Command} text=${`mlaround dashboard ${folder}`} /></div>`;
}
