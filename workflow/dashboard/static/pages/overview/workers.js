// How many tasks ran at each time, and what each worker does now.
import { Chart } from "../../chart.js";
import { html, useEffect, useMemo, useRef, useState } from "../../lib/preact.js";
import { address, counted, Empty, number, Panel, percent } from "../../ui.js";
import { timeScale } from "./time.js";

const BINS = 240;
const AGAIN = 500; // ms between two looks at all tasks
const RUNNING = 1;
const SERIES = [
  { name: "tasks running", colour: 0, steps: true, fill: true, text: (v) => number(v, 2) },
  { name: "workers", colour: 1, dash: [6, 4], text: number },
];

export function Workers({ run, live }) {
  const { status, running = [] } = live.summary;
  const now = useSlowly(live, AGAIN);
  const count = status.workers.count;
  const binned = useMemo(() => occupancy(now), [now]);
  const scale = timeScale(binned.span);
  const data = useMemo(
    () => [
      Array.from(binned.mean, (_, k) => (k * binned.width) / scale.seconds),
      Array.from(binned.mean),
      Array.from(binned.mean, () => count),
    ],
    [binned, scale.seconds, count],
  );
  const words =
    status.workers.busy_fraction === null
      ? ""
      : `Workers spent ${percent(status.workers.busy_fraction)} of their time in tasks.`;
  return html`<${Panel} title="Workers" summary=${words}
    actions=${html`<a href=${address(run, "timeline")}>Timeline</a>`}>
    ${
      binned.span > 0
        ? html`<${Chart} name=${`${run}-running`} height=${168} data=${data} series=${SERIES}
      label=${`Tasks running over time, ${counted(count, "worker")}. ${words}`}
      x=${{ label: `time since the start (${scale.unit})`, from: 0, room: 0, unit: scale.unit }}
      y=${{ label: "tasks running", whole: true, to: count }}
      head=${["time since the start (s)", "tasks running (mean)", "workers"]}
      rows=${() => Array.from(binned.mean, (mean, k) => [round(k * binned.width), round(mean), count])} />`
        : html`<${Empty}><p>No task has started yet.</p><//>`
    }
    ${running.length > 0 && html`<${Running} run=${run} running=${running} />`}<//>`;
}

const round = (value) => Math.round(1000 * value) / 1000;

/** A value that changes with the latest one, but not more often than every so many ms. */
function useSlowly(value, every) {
  const [shown, setShown] = useState(value);
  const latest = useRef(value);
  const timer = useRef(0);
  latest.current = value;
  useEffect(() => {
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      setShown(latest.current);
    }, every);
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return shown;
}

/** Mean number of running tasks in each of `BINS` stretches of time: {mean, width (s), span (s)}. */
function occupancy({ tasks: { n, state, start, length }, origin, eventTime, summary }) {
  const active = summary.status.state === "running";
  const now = (active ? Date.now() / 1000 : eventTime) - origin;
  let span = 0;
  for (let k = 0; k < n; k++) {
    const end = start[k] + length[k];
    if (end > span) span = end;
    else if (state[k] === RUNNING && now > span && start[k] <= now) span = now;
  }
  if (!(span > 0)) return { mean: new Float64Array(0), width: 0, span: 0 };
  const width = span / BINS;
  // The integral of what runs, at the end of each bin: a task adds a slope from its start to its end.
  const slope = new Float64Array(BINS + 2);
  const offset = new Float64Array(BINS + 2);
  const add = (time, sign) => {
    const at = Math.min(BINS, Math.max(0, time / width));
    const bin = Math.floor(at);
    offset[bin] += sign * (bin + 1 - at);
    slope[bin + 1] += sign;
  };
  for (let k = 0; k < n; k++) {
    const end = Number.isNaN(length[k]) ? (state[k] === RUNNING ? span : NaN) : start[k] + length[k];
    if (!(end > start[k])) continue;
    add(start[k], 1);
    add(end, -1);
  }
  const mean = new Float64Array(BINS);
  let runningNow = 0;
  for (let k = 0; k < BINS; k++) {
    runningNow += slope[k];
    mean[k] = Math.max(0, runningNow + offset[k]);
  }
  return { mean, width, span };
}

function Running({ run, running }) {
  const now = Date.now() / 1000;
  const shown = running.slice(0, 64);
  return html`<ul class="running" aria-label="Running tasks">${shown.map(
    ({ task, worker, since }) => html`
    <li key=${task}><a href=${address(run, "tasks", { task })}>
      <span class="wrap">${worker}</span> <b>task ${task}</b>
      <span class="soft">${since ? `for ${Math.max(0, Math.round(now - since))} s` : ""}</span></a></li>`,
  )}
    ${running.length > shown.length && html`<li class="soft">and ${running.length - shown.length} more</li>`}</ul>`;
}
