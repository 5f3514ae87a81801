// When every task ran, and where: lanes of workers over time, and what the time was spent on.
import { html, useEffect, useMemo, useRef, useState } from "../lib/preact.js";
import {
  api,
  counted,
  Empty,
  now,
  number,
  Panel,
  percent,
  runPath,
  seconds,
  STATES,
  TableToggle,
  useSlowly,
  useStyle,
  version,
} from "../ui.js";
import { TimelineChart } from "../timeline/chart.js";

useStyle("pages/timeline.css");

const RUNNING = 1;
const KEYS = [
  [["+", "−"], "or the wheel: zoom"],
  [["←", "→"], "or drag: move"],
  [["0"], "whole run"],
  [["↑", "↓"], "next worker"],
  [["Shift", "←", "→"], "next task"],
  [["Enter"], "or click: open the task"],
];
const SHOWN_STATES = [2, 3, 4, 5, 1];
const NUMBERS_AGAIN = 3000; // ms between two looks at all tasks for words and tables
const PAUSE = 200; // ms that a pointer rests before the server is asked about a task

/** The page of the timeline. */
export default function Timeline({ run, about, live, query, go }) {
  const canvas = useRef(null);
  const chart = useRef(null);
  const [hovered, setHovered] = useState(null);
  const [mode, setMode] = useState("all");
  const [how, setHow] = useState("bars");
  const seen = useSlowly(live, NUMBERS_AGAIN);
  const some = live.tasks.n > 0 && live.workers.length > 0;
  useEffect(() => {
    if (!canvas.current) return;
    const one = new TimelineChart(canvas.current, {
      hovered: setHovered,
      viewed: setMode,
      painted: setHow,
      chosen: (task) => go("tasks", { task }),
    });
    chart.current = one;
    window.mlaroundTimeline = one; // for measuring, as `mlaroundPainted`
    return () => one.end();
  }, [some]);
  useEffect(() => chart.current?.take(live), [live, some]);
  const words = useMemo(() => summary(seen), [seen]);
  const head = ["task", "worker", "state", "start (s)", "end (s)", "time taken (s)"];
  const table = useMemo(
    () => html`<${TableToggle} name=${`${run}-timeline`} head=${head} rows=${() => rows(seen)} />`,
    [seen],
  );
  if (!some) {
    return html`<${Empty}
      ><p>No task has started yet.</p>
      <p>Each will be a bar here, in the lane of the worker that it runs on.</p><//
    >`;
  }
  const going = ["running", "paused"].includes(live.summary.status.state);
  const button = (label, title, act, pressed) =>
    html`<button
      type="button"
      class="small"
      aria-label=${title}
      title=${title}
      aria-pressed=${pressed === undefined ? undefined : String(pressed)}
      onClick=${act}
    >
      ${label}
    </button>`;
  const controls = html`<div class="timeline-controls" role="group" aria-label="View">
    ${button("−", "Zoom out", () => chart.current.zoom(1 / 1.5))}
    ${button("+", "Zoom in", () => chart.current.zoom(1.5))}
    ${button("◀", "Earlier", () => chart.current.pan(-0.2))}
    ${button("▶", "Later", () => chart.current.pan(0.2))}
    ${button("Whole run", "Show the whole run", () => chart.current.show("all"), mode === "all")}
    ${
      going &&
      button(
        "Follow now",
        "Keep the newest part in view",
        () => chart.current.show("newest"),
        mode === "newest",
      )
    }
  </div>`;
  return html`<div class="stack">
    <${Panel} title="Timeline" summary=${words} actions=${controls}>
      <div class="timeline">
        <canvas
          ref=${canvas}
          tabindex="0"
          role="img"
          aria-label=${`Timeline. ${words}`}
          aria-describedby="timeline-keys"
        ></canvas>
        ${hovered && html`<${Tip} key=${hovered.task} run=${run} live=${live} at=${hovered} />`}
      </div>
      <${Legend} how=${how} training=${(live.summary.models ?? []).length > 0} />
      <ul class="soft keys" id="timeline-keys">
        ${KEYS.map(([keys, words]) => html`<li>${keys.map((key) => html`<kbd>${key}</kbd>`)} ${words}</li>`)}
      </ul>
      ${table}<//
    >
  </div>`;
}

function summary({ tasks, workers, summary: { status, models = [] } }) {
  const counts = STATES.map(() => 0);
  let last = 0;
  for (let k = 0; k < tasks.n; k++) {
    counts[tasks.state[k]] += 1;
    const end = tasks.start[k] + tasks.length[k];
    if (end > last) last = end;
  }
  const where = `${counted(tasks.n, "task")} on ${counted(workers.length, "worker")} in ${seconds(last)}`;
  const states = SHOWN_STATES.filter((code) => counts[code]).map(
    (code) => `${number(counts[code])} ${STATES[code].name}`,
  );
  const busy = status.workers.busy_fraction;
  return (
    `${where}: ${states.join(", ")}.` +
    (busy === null || busy === undefined ? "" : ` Workers were busy for ${percent(busy)} of the time.`) +
    (models.length ? ` ${counted(models.length, "training")}.` : "")
  );
}

/** Trainings, then tasks. */
function rows({ tasks, workers, origin, summary: { models = [] } }) {
  const round = (value) => (Number.isFinite(value) ? Math.round(100 * value) / 100 : null);
  const trainings = models.map(({ model, started, ended, promoted }) => [
    `training of ${version(model)}`,
    null,
    promoted ? "used" : "not used",
    round(started - origin),
    round(ended - origin),
    round(ended - started),
  ]);
  return trainings.concat(
    Array.from({ length: tasks.n }, (_, k) => [
      k,
      workers[tasks.worker[k]] ?? null,
      STATES[tasks.state[k]].name,
      round(tasks.start[k]),
      round(tasks.start[k] + tasks.length[k]),
      round(tasks.length[k]),
    ]),
  );
}

function Legend({ how, training }) {
  const shown = how === "share" ? [] : SHOWN_STATES;
  return html`<ul class="timeline-legend" aria-label="Legend">
    ${shown.map(
      (code) => html`<li><i class="swatch s${code}" aria-hidden="true"></i>${STATES[code].name}</li>`,
    )}
    ${
      how === "share" &&
      html`<li>
          <i class="swatch share" aria-hidden="true"></i>share of the time in tasks; zoom in to see them one
          by one
        </li>
        <li><i class="swatch foot" aria-hidden="true"></i>at the foot of a lane: something failed</li>`
    }
    ${
      training &&
      html`<li><i class="swatch training" aria-hidden="true"></i>training, by the version it gave</li>
        <li><i class="swatch unused" aria-hidden="true"></i>training whose model is not used</li>`
    }
  </ul>`;
}

const sizes = new Map(); // "run task" -> promise of its number of simulations

function sizeOf(run, task) {
  const key = `${run} ${task}`;
  if (!sizes.has(key)) {
    const asked = api(`${runPath(run, "simulations")}?task=${task}&limit=1`).then(({ total }) => total);
    sizes.set(key, asked);
    asked.catch(() => sizes.delete(key));
  }
  return sizes.get(key);
}

function Tip({ run, live, at: { task, x, y } }) {
  const [size, setSize] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => sizeOf(run, task).then(setSize, () => {}), PAUSE);
    return () => clearTimeout(timer);
  }, [task]);
  const { state, worker, start, length } = live.tasks;
  const code = state[task];
  const took = code === RUNNING ? now() - live.origin - start[task] : length[task];
  const right = x > 0.6 * (document.querySelector(".timeline")?.clientWidth ?? 1000);
  return html`<div
    class="timeline-tip ${right ? "right" : ""}"
    role="status"
    style=${{ left: `${x}px`, top: `${y}px` }}
  >
    <b>Task ${task}</b> ${STATES[code].symbol} ${STATES[code].name}<br />
    <span class="wrap">${live.workers[worker[task]]}</span
    >${size === null ? "" : `, ${counted(size, "simulation")}`}<br />
    started after ${seconds(start[task])}, ${code === RUNNING ? "running for" : "took"}${" "}
    ${seconds(Math.max(0, took))}
  </div>`;
}
