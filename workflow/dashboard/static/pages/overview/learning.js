// The active-learning curve: how wrong each model was, over what it had learned from.
import { Chart } from "../../chart.js";
import { html, useMemo } from "../../lib/preact.js";
import { address, clock, counted, Empty, number, Panel, percent } from "../../ui.js";

const SERIES = [
  { name: "taken into use", colour: 0, line: true, spanGaps: true, shape: "circle", text: (v) => `${number(v)} %` },
  { name: "not taken", colour: 1, line: false, shape: "diamond", hollow: true, text: (v) => `${number(v)} %` },
];
const HEAD = ["model", "training simulations", "median relative error (%)", "95 % interval covers (%)",
  "held-out simulations", "taken into use", "trained at", "training time (s)"];

export function Learning({ run, models = [], training }) {
  const judged = useMemo(() => models.filter((m) => m.median_relative_error !== null
    && m.median_relative_error !== undefined).sort((a, b) => a.simulations - b.simulations), [models]);
  const data = useMemo(() => [
    judged.map((m) => m.simulations),
    judged.map((m) => (m.promoted ? 100 * m.median_relative_error : null)),
    judged.map((m) => (m.promoted ? null : 100 * m.median_relative_error)),
  ], [judged]);
  const errors = judged.map((m) => m.median_relative_error).filter((error) => error > 0);
  const log = errors.length > 1 && Math.max(...errors) >= 10 * Math.min(...errors);
  const used = models.find((m) => m.in_use);
  const words = used ? `Model v${used.model}, taught by ${counted(used.simulations, "simulation")}, is off by
    ${percent(used.median_relative_error)} (median over ${counted(used.held_out, "held-out simulation")}).`
    : training ? `The first model is being trained.` : "";
  return html`<${Panel} title="Learning" summary=${words}
    actions=${html`<a href=${address(run, "surrogate")}>Surrogate</a>`}>
    ${judged.length ? html`<${Chart} name=${`${run}-learning`} data=${data} series=${SERIES}
      label=${`Held-out median relative error over training simulations. ${words}`}
      x=${{ label: "training simulations", whole: true, room: 0.06 }}
      y=${{ label: "median relative error, held out (%)", log }} head=${HEAD} rows=${() => table(judged)} />`
      : html`<${Empty}><p>No model has been judged yet. The first one is trained when enough simulations are
        done.</p><//>`}<//>`;
}

const table = (models) => models.map((m) => [`v${m.model}`, m.simulations, 100 * m.median_relative_error,
  m.coverage === null ? null : 100 * m.coverage, m.held_out, m.promoted ? "yes" : "no", clock(m.t),
  m.training_seconds]);
