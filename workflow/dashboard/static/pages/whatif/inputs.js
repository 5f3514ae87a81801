// One control for each input that varies: a slider and a number, or its choices.
import { html, useEffect, useState } from "../../lib/preact.js";
import { number, quantity, spaced } from "../../ui.js";
import { constants, isContinuous, track, varied } from "./point.js";

/**
 * The controls of a point.
 * @param {{about: object, inputs: object, trained: object|null, change: (name, value) => void}} properties
 */
export function Inputs({ about, inputs, trained, change }) {
  const fixed = constants(about);
  return html`<div class="whatif-inputs">
    ${varied(about).map((input) => html`<${isContinuous(input) ? Slider : Choices} key=${input.name}
      input=${input} value=${inputs[input.name]} trained=${trained?.[input.name]}
      change=${(value) => change(input.name, value)} />`)}
    ${fixed.length > 0 && html`<dl class="whatif-fixed">${fixed.map((input) => html`<div key=${input.name}>
      <dt>${spaced(input.name)}</dt><dd>${withUnit(input.low, input.unit)} <span class="soft">constant</span></dd>
    </div>`)}</dl>`}
  </div>`;
}

const withUnit = (value, unit) => `${typeof value === "number" ? number(value, 6) : value} ${
  unit && unit !== "1" ? unit : ""}`.trim();

const Name = ({ input }) => html`<span class="whatif-name">${spaced(input.name)}
  <span class="soft">${quantity("", input.unit)}</span></span>`;

function Slider({ input, value, trained, change }) {
  const { min, max, step, decimals } = track(input);
  const id = `whatif-${input.name}`;
  const known = typeof value === "number";
  const outside = known && (value < input.low || value > input.high);
  const words = `${withUnit(value, input.unit)}${outside ? ", outside the trained domain" : ""}`;
  // The thumb's middle goes from half its width to half its width before the end.
  const at = (x) => `calc(9px + ${Math.min(1, Math.max(0, (x - min) / (max - min)))} * (100% - 18px))`;
  const span = ([from, to]) => ({ left: at(from), right: `calc(100% - (${at(to)}))` });
  const marks = input.values?.length ? input.values : [input.low, input.high];
  return html`<div class="whatif-input ${outside ? "outside" : ""}">
    <div class="whatif-head"><label for=${id}><${Name} input=${input} /></label>
      <${NumberBox} id=${id} value=${value} step=${step} change=${change} about=${`${id}-about`} /></div>
    <p class="soft" id=${`${id}-about`}>${input.description}</p>
    <div class="whatif-track">
      <span class="whatif-rail"></span>
      <span class="whatif-box" style=${span([input.low, input.high])}></span>
      ${trained && html`<span class="whatif-trained" style=${span(trained)}></span>`}
      ${marks.map((x) => html`<span class="whatif-tick" key=${x} style=${{ left: at(x) }}></span>`)}
      <input type="range" min=${min} max=${max} step=${step} value=${known ? value : min}
        aria-label=${`${input.name}, slider`} aria-valuetext=${words}
        onInput=${({ target }) => change(Number(Number(target.value).toFixed(decimals)))} />
      ${[input.low, input.high].map((x) => html`<span class="whatif-mark" key=${x} aria-hidden="true"
        style=${{ left: at(x) }}>${number(x, 4)}</span>`)}
    </div></div>`;
}

/** A box for a number. While what stands in it is none, the last number holds. */
export function NumberBox({ id, value, step, change, about, min, label }) {
  const shown = typeof value === "number" ? String(value) : ""; // text is on its way to the server
  const [text, setText] = useState(shown);
  useEffect(() => setText((old) => (old.trim() !== "" && Number(old) === value ? old : shown)), [value]);
  const valid = text.trim() !== "" && Number.isFinite(Number(text)) && !(Number(text) < min);
  return html`<input type="number" id=${id} value=${text} step=${step} min=${min} required aria-label=${label}
    aria-describedby=${about} aria-invalid=${valid ? undefined : "true"}
    title=${valid ? "" : min === undefined ? "a number is needed" : `a number from ${min} up is needed`}
    onInput=${({ target }) => {
      setText(target.value);
      const given = target.value.trim() === "" ? NaN : Number(target.value);
      if (Number.isFinite(given) && !(given < min)) change(given);
    }} onBlur=${() => valid || setText(shown)} />`;
}

function Choices({ input, value, change }) {
  const known = input.choices.some((choice) => choice === value);
  return html`<fieldset class="whatif-input ${known ? "" : "outside"}">
    <legend><${Name} input=${input} /></legend>
    <p class="soft">${input.description}${!known && html`. Here ${withUnit(value, input.unit)}, which is none
      of these.`}</p>
    <div class="whatif-choices">${input.choices.map((choice) => html`<label key=${choice}>
      <input type="radio" name=${`whatif-${input.name}`} checked=${choice === value}
        onInput=${() => change(choice)} /><span>${number(choice, 6)}</span></label>`)}</div>
  </fieldset>`;
}
