// The effective speedup over time, and the measured times it is made of.
import { Chart } from "../../chart.js";
import { html, useMemo } from "../../lib/preact.js";
import { Disclosure, Empty, factor, number, Panel, seconds } from "../../ui.js";
import { timeScale } from "./time.js";

const SERIES = [{ name: "effective speedup", colour: 2, steps: true, fill: false, shape: "circle", text: factor }];
const BREAK_EVEN = { at: 1, text: "break-even" };
const INGREDIENTS = [
  ["t_seq", "T_seq", "one simulation on one core", seconds],
  ["t_train", "T_train", "core time of all tasks, per training simulation", seconds],
  ["t_learn", "T_learn", "time of all trainings, per training simulation", seconds],
  ["t_lookup", "T_lookup", "one prediction with its error bar", seconds],
  ["n_train", "N_train", "simulations that taught the model in use", number],
  ["n_lookup", "N_lookup", "lookups assumed", number],
  ["break_even", "break-even", "lookups after which the campaign has paid for itself", number],
];

export function Speedup({ run, speedup, origin }) {
  const { points = [], sentence, ingredients, leaves_out: leavesOut } = speedup ?? {};
  const scale = timeScale(points.length ? points.at(-1)[0] - origin : 0);
  const data = useMemo(() => [
    points.map(([t]) => (t - origin) / scale.seconds), points.map(([, value]) => value),
  ], [points, scale.seconds, origin]);
  return html`<${Panel} title="Effective speedup" summary=${sentence}>
    ${points.length ? html`<${Chart} name=${`${run}-speedup`} data=${data} series=${SERIES} level=${BREAK_EVEN}
      label=${`Effective speedup over time. ${sentence}`}
      x=${{ label: `time since the start (${scale.unit})`, from: 0 }} y=${{ label: "effective speedup (×)", log: true }}
      head=${["time since the start (s)", "effective speedup"]}
      rows=${() => points.map(([t, value]) => [Math.round(10 * (t - origin)) / 10, value])} />
      <${Disclosure} label="What it is made of"><dl class="ingredients">
        ${INGREDIENTS.map(([key, name, meaning, words]) => html`<div key=${key}><dt><b>${name}</b> ${meaning}</dt>
          <dd>${words(ingredients?.[key] && whole(key, ingredients[key]))}</dd></div>`)}</dl>
        <p><code>S = T_seq (N_lookup + N_train) / [T_lookup N_lookup + (T_train + T_learn) N_train]</code></p>
        <p class="soft">${leavesOut}</p><//>`
      : html`<${Empty}><p>Nothing has been sped up before there is a model.</p><//>`}<//>`;
}

const whole = (key, value) => (key === "break_even" ? Math.ceil(value) : value);
