// The effective speedup over time, and the measured times it is made of.
import { Chart } from "../../chart.js";
import { html, useMemo } from "../../lib/preact.js";
import { Disclosure, Empty, factor, number, Panel, seconds, timeUnit } from "../../ui.js";

const SERIES = [{ name: "effective speedup", colour: 2, steps: true, shape: "circle", text: factor }];
const BREAK_EVEN = { at: 1, text: "break-even" };
const INGREDIENTS = [
  ["t_seq", "T_seq", "one simulation on one core", seconds],
  ["t_train", "T_train", "core time of all tasks, per training simulation", seconds],
  ["t_learn", "T_learn", "time of all trainings, per training simulation", seconds],
  ["t_lookup", "T_lookup", "one prediction with its error bar", seconds],
  ["n_train", "N_train", "simulations that taught the model in use", number],
  ["n_lookup", "N_lookup", "lookups assumed", number],
  ["break_even", "break-even", "lookups that pay for the campaign", (v) => number(v && Math.ceil(v))],
];
const FORMULA = "S = T_seq (N_lookup + N_train) / [T_lookup N_lookup + (T_train + T_learn) N_train]";

export function Speedup({ run, speedup, origin }) {
  const { points = [], sentence, ingredients = {}, leaves_out: leavesOut } = speedup ?? {};
  const scale = timeUnit(points.length ? points.at(-1)[0] - origin : 0);
  const data = useMemo(
    () => [points.map(([t]) => (t - origin) / scale.seconds), points.map(([, value]) => value)],
    [points, scale.seconds, origin],
  );
  const chart = () => html`<${Chart}
    name=${`${run}-speedup`}
    title=${`Effective speedup over time, ${run}`}
    label=${`Effective speedup over time. ${sentence}`}
    data=${data}
    series=${SERIES}
    level=${BREAK_EVEN}
    x=${{ label: `time since the start (${scale.unit})`, unit: scale.unit, from: 0 }}
    y=${{ label: "effective speedup (×)", log: true }}
    head=${["time since the start (s)", "effective speedup (×)"]}
    rows=${() => points.map(([t, value]) => [Math.round(10 * (t - origin)) / 10, value])}
  />`;
  const none = html`<${Empty}><p>Nothing has been sped up before there is a model.</p><//>`;
  return html`<${Panel} title="Effective speedup" summary=${points.length ? sentence : ""}>
    <div>
      ${points.length ? chart() : none}
      ${
        points.length > 0 &&
        html`<${Disclosure} label="What it is made of">
        <${Ingredients} of=${ingredients} />
        <p><code>${FORMULA}</code></p>
        <p class="soft">${leavesOut}</p>
      <//>`
      }
    </div>
  <//>`;
}

function Ingredients({ of }) {
  return html`<dl class="ingredients">${INGREDIENTS.map(
    ([key, name, meaning, words]) => html`<div key=${key}>
      <dt><b>${name}</b> ${meaning}</dt>
      <dd>${words(of[key])}</dd>
    </div>`,
  )}</dl>`;
}
