// How many tasks ran at each time, and what each worker does now.
import { Chart } from "../../chart.js";
import { html, useMemo } from "../../lib/preact.js";
import { address, counted, Disclosure, Empty, now, number, Panel, percent, roughly } from "../../ui.js";
import { timeUnit, useSlowly, useTick } from "../../ui.js";
import { occupancy } from "./occupancy.js";

const AGAIN = 500; // ms between two looks at all tasks
const QUIET = 5000; // ms after which time goes on in the plot though nothing happened
const SHOWN = 16; // running tasks that are listed at once
const SERIES = [
  { name: "tasks running", colour: 0, steps: true, fill: true, text: (v) => number(v, 2) },
  { name: "workers", colour: 1, dash: [6, 4], text: number },
];

export function Workers({ run, live }) {
  const { status, running = [] } = live.summary;
  const { count, busy_fraction: busy } = status.workers;
  const going = status.state === "running";
  const quiet = useTick(going ? QUIET : 0);
  const seen = useSlowly(live, AGAIN);
  const binned = useMemo(
    () => occupancy(seen.tasks, (going ? now() : (seen.eventTime ?? 0)) - seen.origin),
    [seen, quiet, going],
  );
  const scale = timeUnit(binned.span);
  const data = useMemo(
    () => [
      Array.from(binned.mean, (_, k) => (k * binned.width) / scale.seconds),
      Array.from(binned.mean),
      Array.from(binned.mean, () => count),
    ],
    [binned, scale.seconds, count],
  );
  const words = busy === null ? "" : `Workers spent ${percent(busy)} of their time in tasks.`;
  const chart = () => html`<${Chart}
    name=${`${run}-running`}
    title=${`Tasks running, ${run}`}
    label=${`Tasks running over time, ${counted(count, "worker")}. ${words}`}
    height=${168}
    data=${data}
    series=${SERIES}
    x=${{ label: `time since the start (${scale.unit})`, unit: scale.unit, from: 0, room: 0 }}
    y=${{ label: "tasks running", whole: true, to: count }}
    head=${["time since the start (s)", "tasks running (mean)", "workers"]}
    rows=${() => Array.from(binned.mean, (mean, k) => [round(k * binned.width), round(mean), count])}
  />`;
  const none = html`<${Empty}><p>No task has started yet.</p><//>`;
  const link = html`<a href=${address(run, "timeline")}>Timeline</a>`;
  return html`<${Panel} title="Workers" summary=${words} actions=${link}>
    ${binned.span > 0 ? chart() : none}
    ${running.length > 0 && html`<${Running} run=${run} running=${running} />`}
  <//>`;
}

const round = (value) => Math.round(1000 * value) / 1000;

function Running({ run, running }) {
  useTick(1000);
  const sorted = [...running].sort((a, b) => String(a.worker).localeCompare(b.worker) || a.task - b.task);
  const list = (some) => html`<ul class="running-tasks" aria-label="Running tasks">
    ${some.map((one) => html`<${RunningTask} key=${one.task} run=${run} ...${one} />`)}
  </ul>`;
  const rest = sorted.slice(SHOWN);
  return html`${list(sorted.slice(0, SHOWN))}
    ${rest.length > 0 && html`<${Disclosure} label=${`${number(rest.length)} more`}>${list(rest)}<//>`}`;
}

function RunningTask({ run, task, worker, since }) {
  return html`<li>
    <a href=${address(run, "tasks", { task })}>
      <span class="wrap">${worker}</span> <b>task ${task}</b>
      <span class="soft">${since && roughly(Math.max(1, now() - since))}</span>
    </a>
  </li>`;
}
