// Inputs that are not known exactly: how far they spread, and what that adds to the answer.
import { html } from "../../lib/preact.js";
import { Panel, percent, quantity } from "../../ui.js";
import { NumberBox } from "./inputs.js";
import { isContinuous, track, varied } from "./point.js";

const SHAPES = { gaussian: ["gaussian", "standard deviation"], uniform: ["uniform", "half width"] };

/** A first spread: a twentieth of the range, on the steps of the slider. */
function first(input) {
  const { step } = track(input);
  return Number((Math.max(1, Math.round((0.05 * (input.high - input.low)) / step)) * step).toPrecision(6));
}

/**
 * The panel of uncertain inputs, off until it is switched on.
 * @param {{about: object, state: object, change: (changes: object) => void, answer: object}} properties
 */
export function Uncertainty({ about, state, change, answer }) {
  const inputs = varied(about).filter(isContinuous);
  if (!inputs.length) return null;
  const { uncertain, spread, shape } = state;
  const toggle = ({ target }) => change({
    uncertain: target.checked,
    spread: Object.keys(spread).length ? spread : Object.fromEntries(inputs.map((i) => [i.name, first(i)])),
  });
  return html`<${Panel} title="Uncertain inputs" className="whatif-uncertain">
    <label class="check"><input type="checkbox" checked=${uncertain} onChange=${toggle} />
      The inputs are not known exactly</label>
    ${uncertain && html`<fieldset class="whatif-shape"><legend class="soft">Distribution</legend>
      ${Object.entries(SHAPES).map(([key, [name]]) => html`<label class="check" key=${key}>
        <input type="radio" name="whatif-shape" checked=${shape === key}
          onInput=${() => change({ shape: key })} />${name}</label>`)}
      </fieldset>
      <p class="soft">${SHAPES[shape][1]} of each input; 0 is exact</p>
      ${inputs.map((input) => html`<div class="whatif-head" key=${input.name}>
        <label for=${`whatif-spread-${input.name}`}>${quantity(input.name, input.unit)} ±</label>
        <${NumberBox} id=${`whatif-spread-${input.name}`} value=${spread[input.name] ?? 0} min=${0}
          step=${track(input).step}
          change=${(width) => change({ spread: { ...spread, [input.name]: width } })} />
      </div>`)}
      ${answer.outside > 0 && html`<p class="warn">▲ ${percent(answer.outside)} of the samples lie outside
        the trained domain.</p>`}
      <p class="soft">${answer.samples && `${answer.samples} samples through the model, the same ones at every
        point.`} Profiles are compared bin by bin.</p>`}
  </${Panel}>`;
}
