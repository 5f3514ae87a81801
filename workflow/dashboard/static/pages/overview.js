// How a run is getting on: counts, what is left, how good the model is, what it saved, who works.
import { html } from "../lib/preact.js";
import { address, clock, counted, factor, number, percent, seconds, Tile, useStyle } from "../ui.js";
import { Happened } from "./overview/happened.js";
import { Learning } from "./overview/learning.js";
import { Progress } from "./overview/progress.js";
import { Speedup } from "./overview/speedup.js";
import { Workers } from "./overview/workers.js";

useStyle("pages/overview.css");

export default function Overview({ run, about, live }) {
  const { status, alerts = [] } = live.summary;
  return html`<div class="stack overview">
    <${Alerts} run=${run} alerts=${alerts} />
    <${Progress} run=${run} status=${status} eta=${live.summary.eta} training=${live.summary.training} />
    <${Tiles} run=${run} live=${live} />
    <div class="grid-2">
      <${Learning} run=${run} models=${live.summary.models} training=${live.summary.training} />
      <${Speedup} run=${run} speedup=${live.summary.speedup} origin=${live.origin} />
    </div>
    <${Workers} run=${run} live=${live} />
    <${Happened} run=${run} about=${about} live=${live} />
  </div>`;
}

function Alerts({ run, alerts }) {
  if (!alerts.length) return null;
  return html`<ul class="alerts" aria-label="Alerts">${alerts.map(
    ({ level, text, page, query }) => html`
    <li key=${text} class=${level === "error" ? "bad" : "warn"}>
      <span class="sign" aria-hidden="true">${level === "error" ? "✕" : "!"}</span>
      <span><strong>${level === "error" ? "Error" : "Warning"}.</strong> <span class="text">${text}</span>
      ${page && html`${" "}<a href=${address(run, page, query ?? {})}>Look at it</a>`}</span></li>`,
  )}</ul>`;
}

function Tiles({ run, live }) {
  const { status, running = [], speedup } = live.summary;
  const { simulations, workers, model, elapsed, state } = status;
  const held = model.held_out;
  const busy = new Set(running.map(({ worker }) => worker)).size;
  const active = state === "running" || state === "paused";
  return html`<dl class="tiles">
    <${Tile} label="simulations done" value=${number(simulations.done)}
      note=${`of ${number(simulations.total)}${simulations.failed ? `; ${number(simulations.failed)} failed` : ""}`}
      href=${address(run, "tasks")} />
    <${Tile} label="wall time" value=${seconds(Math.round(elapsed))} note=${
      live.origin ? `since ${clock(live.origin)}` : ""
    } />
    <${Tile} label=${active ? "workers busy" : "workers"}
      value=${active ? `${busy} of ${workers.count}` : number(workers.count)}
      note=${workers.busy_fraction === null ? "" : `${percent(workers.busy_fraction)} of their time in tasks`}
      href=${address(run, "timeline")} />
    <${Tile} label="model in use" value=${model.version === null ? "none yet" : `v${model.version}`}
      note=${held ? html`median relative error ${percent(held.median_relative_error)}` : ""}
      href=${address(run, "surrogate")} />
    <${Tile} label="95 % interval covers" value=${held ? percent(held.coverage, 3) : "–"}
      state=${held && held.coverage < 0.85 ? "warn" : ""}
      note=${held ? `of ${counted(held.n, "held-out simulation")}` : "no model yet"} />
    <${Tile} label="effective speedup" value=${factor(speedup.ingredients?.value)}
      note=${speedup.ingredients?.value ? `at ${number(speedup.ingredients.n_lookup)} lookups` : "no model yet"} />
  </dl>`;
}
