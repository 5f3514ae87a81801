// How a run is getting on: counts, what is left, how good the model is, what it saved, who works.
import { html } from "../lib/preact.js";
import { address, clock, counted, factor, number, percent, prose, seconds, Tile, useStyle, version } from "../ui.js";
import { Happened } from "./overview/happened.js";
import { Learning } from "./overview/learning.js";
import { Progress } from "./overview/progress.js";
import { Speedup } from "./overview/speedup.js";
import { Workers } from "./overview/workers.js";

useStyle("pages/overview.css");

/** A share of held-out simulations inside their 95 % interval that calls for a look at the model, as the alerts have it. */
const LOW_COVERAGE = 0.9;
const OVER = ["finished", "failed"]; // states after which nothing is trained

export default function Overview({ run, about, live }) {
  const { status, alerts = [] } = live.summary;
  return html`<div class="stack overview">
    <${Alerts} run=${run} alerts=${alerts} />
    <p class="soft question">${about.question}</p>
    <${Progress} run=${run} status=${status} eta=${live.summary.eta} training=${live.summary.training} />
    <${Tiles} run=${run} live=${live} />
    <div class="grid-2">
      <${Learning} run=${run} models=${live.summary.models} training=${live.summary.training}
        over=${OVER.includes(status.state)} />
      <${Speedup} run=${run} speedup=${live.summary.speedup} origin=${live.origin} />
    </div>
    <${Workers} run=${run} live=${live} />
    <${Happened} live=${live} />
  </div>`;
}

function Alerts({ run, alerts }) {
  if (!alerts.length) return null;
  return html`<ul class="alerts" aria-label="Alerts">
    ${alerts.map((alert) => html`<${Alert} key=${alert.text} run=${run} ...${alert} />`)}
  </ul>`;
}

function Alert({ run, level, text, page, query }) {
  const [tone, sign, name] = level === "error" ? ["bad", "✕", "Error"] : ["warn", "!", "Warning"];
  return html`<li class=${tone}>
    <span class="sign" aria-hidden="true">${sign}</span>
    <span>
      <strong>${name}.</strong> <span class="text">${prose(text)}</span>${" "}
      ${page && page !== "overview" && html`<a href=${address(run, page, query ?? {})}>Look at it</a>`}
    </span>
  </li>`;
}

function Tiles({ run, live }) {
  const { status, running = [], speedup } = live.summary;
  const { simulations, workers, model, elapsed, state } = status;
  const { value: saved, n_lookup: lookups } = speedup?.ingredients ?? {};
  const held = model.held_out;
  const active = state === "running" || state === "paused";
  const busy = new Set(running.map(({ worker }) => worker)).size;
  const failed = simulations.failed ? `; ${number(simulations.failed)} failed` : "";
  const share = workers.busy_fraction;
  return html`<dl class="tiles">
    <${Tile}
      label="simulations done"
      value=${number(simulations.done)}
      note=${`of ${number(simulations.total)}${failed}`}
      href=${address(run, "tasks")}
    />
    <${Tile}
      label="wall time"
      value=${seconds(Math.round(elapsed))}
      note=${live.origin > 0 && `since ${clock(live.origin)}`}
    />
    <${Tile}
      label=${active ? "workers busy" : "workers"}
      value=${active ? `${busy} of ${workers.count}` : number(workers.count)}
      note=${share !== null && `${percent(share)} of their time in tasks`}
      href=${address(run, "timeline")}
    />
    <${Tile}
      label="model in use"
      value=${model.version === null ? "none yet" : version(model.version)}
      note=${held && `median relative error ${percent(held.median_relative_error)}`}
      href=${address(run, "surrogate")}
    />
    <${Tile}
      label="95 % coverage"
      value=${held ? percent(held.coverage, 3) : "–"}
      note=${held ? `of ${counted(held.n, "held-out simulation")}`
        : model.version === null ? "no model yet" : "no held-out simulations"}
      state=${held && held.coverage < LOW_COVERAGE ? "warn" : ""}
    />
    <${Tile}
      label="effective speedup"
      value=${factor(saved)}
      note=${saved ? `at ${number(lookups)} lookups` : "no model yet"}
    />
  </dl>`;
}
