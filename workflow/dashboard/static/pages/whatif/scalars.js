// Outputs that are one number each, with their error bars, beside the nearest simulation's.
import { html } from "../../lib/preact.js";
import { number, TableToggle, unit } from "../../ui.js";

/** "0.355 ± 0.007": as many digits as the error bar is worth. */
export function plusMinus(mean, std) {
  if (mean === null || mean === undefined) return "–";
  if (!(std > 0)) return number(mean, 4);
  const size = Math.floor(Math.log10(std));
  const extreme = Math.abs(mean) >= 1e6 || (std < 1e-6 && Math.abs(mean) < 1e-3);
  if (extreme) return `${number(mean)} ± ${number(std, 2)}`;
  const decimals = Math.max(0, Math.min(20, 1 - size));
  const fixed = (value) => value.toLocaleString("en", {
    minimumFractionDigits: decimals, maximumFractionDigits: decimals,
  }).replace("-", "\u2212");
  return `${fixed(mean)} ± ${fixed(std)}`;
}

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
      <th scope="row">${unit(target.name, target.unit)}<small class="soft">${target.description}</small></th>
      <td class="n"><strong>${plusMinus(target.mean, target.std)}</strong></td>
      ${uncertain && html`<td class="n">${number(target.input_std, 2)}</td><td class="n">
        ${number(both(target), 2)}</td>`}
      <td class="n">${plusMinus(observed(target)?.mean, observed(target)?.stderr)}</td></tr>`)}
    </tbody></table></div>
    <p class="soft">± is one standard deviation of the prediction, ${judged ? "calibrated on held-out simulations"
      : "which no held-out simulations have calibrated"}; beside the simulation it is its standard error.</p>
    <${TableToggle} name=${name} head=${heads} rows=${rows} />`;
}
