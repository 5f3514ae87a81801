// The active-learning curve: how wrong each model was, over what it had learned from.
import { Chart } from "../../chart.js";
import { html, useMemo } from "../../lib/preact.js";
import { address, counted, Empty, number, Panel, percent, version } from "../../ui.js";

const text = (value) => `${number(value)} %`;
const TAKEN = { name: "taken into use", colour: 0, spanGaps: true, shape: "circle", text };
const NOT_TAKEN = { name: "not taken", colour: 1, line: false, shape: "diamond", hollow: true, text };
const HEAD = [
  "model",
  "training simulations",
  "median relative error (%)",
  "95 % interval covers (%)",
  "held-out simulations",
  "taken into use",
  "trained at",
  "training time (s)",
];

export function Learning({ run, models = [], training, over }) {
  const judged = useMemo(
    () => models.filter((m) => m.median_relative_error > 0).sort((a, b) => a.simulations - b.simulations),
    [models],
  );
  const refused = judged.some((m) => !m.promoted);
  const series = refused ? [TAKEN, NOT_TAKEN] : [TAKEN];
  const data = useMemo(() => columns(judged, refused), [judged, refused]);
  const errors = judged.map((m) => m.median_relative_error);
  const words = standing(models, training);
  const chart = () => html`<${Chart}
    name=${`${run}-learning`}
    title=${`Held-out error of the models, ${run}`}
    label=${`Held-out median relative error over training simulations. ${words}`}
    data=${data}
    series=${series}
    x=${{ label: "training simulations", unit: "simulations", whole: true, room: 0.06 }}
    y=${{ label: "median relative error (%)", log: Math.max(...errors) >= 10 * Math.min(...errors) }}
    head=${HEAD}
    rows=${() => judged.map(row)}
  />`;
  const none = html`<${Empty}><p>${unjudged(models, over)}</p><//>`;
  const link = html`<a href=${address(run, "surrogate")}>Surrogate</a>`;
  return html`<${Panel} title="Learning" summary=${words} actions=${link}>
    ${judged.length ? chart() : none}
  <//>`;
}

function unjudged(models, over) {
  if (models.length) return "No model has been judged: there are no held-out simulations to judge it by.";
  if (over) return "No model was trained before the run ended.";
  return "No model has been judged yet. The first one is trained when enough simulations are done.";
}

function columns(models, refused) {
  const errors = (promoted) =>
    models.map((m) => (m.promoted === promoted ? 100 * m.median_relative_error : null));
  const all = [models.map((m) => m.simulations), errors(true)];
  return refused ? [...all, errors(false)] : all;
}

function standing(models, training) {
  const used = models.find((m) => m.in_use);
  if (!used) return training ? "The first model is being trained." : "";
  const error = used.median_relative_error;
  return (
    `Model ${version(used.model)}, taught by ${counted(used.simulations, "simulation")}` +
    (error > 0
      ? `, is off by ${percent(error)} (median over ${counted(used.held_out, "held-out simulation")}).`
      : ", is in use.")
  );
}

const row = (m) => [
  version(m.model),
  m.simulations,
  100 * m.median_relative_error,
  m.coverage === null ? null : 100 * m.coverage,
  m.held_out,
  m.promoted ? "yes" : "no",
  new Date(1000 * m.t).toISOString(),
  m.training_seconds,
];
