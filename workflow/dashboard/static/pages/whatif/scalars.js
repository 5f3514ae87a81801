// Outputs that are one number each, with their error bars, beside the nearest simulation's.
import { html } from "../../lib/preact.js";
import { number, plusMinus, spaced, TableToggle, unit } from "../../ui.js";

/**
 * The table of scalars.
 * @param {{targets: object[], beside: object[]|null, label: string, name: string, judged: boolean}} properties
 */
export function Scalars({ targets, beside, label, name, judged }) {
  const uncertain = targets.some((target) => target.input_std !== null);
  const observed = (target) => beside?.find((b) => b.name === target.name);
  const both = (target) => Math.hypot(target.std, target.input_std);
  const heads = ["output", "mean", "std", ...(uncertain ? ["std from inputs", "both"] : []), "unit", label,
    "standard error"];
  const rows = () => targets.map((target) => [target.name, target.mean, target.std,
    ...(uncertain ? [target.input_std, both(target)] : []), target.unit, observed(target)?.mean,
    observed(target)?.stderr]);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Predicted numbers">
    <table class="data whatif-scalars"><thead><tr><th scope="col">output</th>
      <th scope="col" class="n">prediction</th>
      ${uncertain && html`<th scope="col" class="n">± from inputs</th><th scope="col" class="n">± both</th>`}
      <th scope="col" class="n">${label}</th></tr></thead>
    <tbody>${targets.map((target) => html`<tr key=${target.name}>
      <th scope="row">${unit(spaced(target.name), target.unit)}<small class="soft">${target.description}</small></th>
      <td class="n"><strong>${plusMinus(target.mean, target.std)}</strong></td>
      ${uncertain && html`<td class="n">${number(target.input_std, 2)}</td><td class="n">
        ${number(both(target), 2)}</td>`}
      <td class="n">${plusMinus(observed(target)?.mean, observed(target)?.stderr)}</td></tr>`)}
    </tbody></table></div>
    <p class="soft">± is one standard deviation of the prediction, ${judged ? "calibrated on held-out simulations"
      : "which no held-out simulations have calibrated"}; beside the simulation it is its standard error.</p>
    <${TableToggle} name=${name} head=${heads} rows=${rows} />`;
}
