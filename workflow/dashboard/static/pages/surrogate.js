// The models of a run: which one is in use and how each was judged, and the figures of its accuracy.
import { html } from "../lib/preact.js";
import { act, clock, Empty, number, Panel, seconds, useStyle, version } from "../ui.js";
import { Blocks } from "./analysis.js";

useStyle("pages/surrogate.css");

export default function Surrogate({ run, about, live, query }) {
  const { models = [], training, status } = live.summary;
  return html`<div class="stack surrogate">
    <${Registry} run=${run} about=${about} models=${models} training=${training} state=${status.state} />
    ${models.length > 0 && html`<${Blocks} run=${run} page="surrogate" live=${live} query=${query} />`}
  </div>`;
}

const OVER = ["finished", "failed"]; // states after which nothing is trained

function Registry({ run, about, models, training, state }) {
  const summary = training ? `${version(training)} is being trained.` : "";
  if (!models.length) {
    return html`<${Panel} title="Models" summary=${summary}><${Empty}>
      <p>${OVER.includes(state) ? "No model was trained before the run ended."
        : "No model yet. The first training comes when enough simulations are done."}</p><//><//>`;
  }
  const heads = [
    ["version"], ["state"], ["simulations", "learned from"], ["held out", "that judged it"],
    ["relative error", "median, %"], ["95 % interval", "covers, %"], ["success", "within 2 errors, %"],
    ["lookup"], ["training"], ["ready at"], ["use it"],
  ];
  return html`<${Panel} title="Models" summary=${`${summary} The newer model is used unless held-out simulations
    show that it is worse; any other can be promoted.`.trim()}>
    <div class="scroll" tabindex="0" role="group" aria-label="Models"><table class="data">
      <thead><tr>${heads.map(([name, note], k) => html`<th scope="col" class=${k > 1 && k < 10 ? "n" : ""}>
        ${name}${note && html`<small>${note}</small>`}</th>`)}</tr></thead>
      <tbody>${[...models].reverse().map((model) => html`<${Row} key=${model.model} run=${run} about=${about}
        model=${model} />`)}</tbody></table></div><//>`;
}

function Row({ run, about, model }) {
  const share = (value) => (value === null || value === undefined ? "–" : number(100 * value, 3));
  const state = model.in_use ? html`<span class="badge state-done"><span aria-hidden="true">✓</span> in use</span>`
    : html`<span class="soft">${model.promoted ? "was in use" : "not promoted"}</span>`;
  return html`<tr class=${model.in_use ? "in-use" : ""}>
    <th scope="row">${version(model.model)}</th><td>${state}</td>
    <td class="n">${number(model.simulations)}</td><td class="n">${number(model.held_out)}</td>
    <td class="n">${share(model.median_relative_error)}</td><td class="n">${share(model.coverage)}</td>
    <td class="n">${share(model.success)}</td><td class="n">${seconds(model.lookup_seconds)}</td>
    <td class="n">${seconds(model.training_seconds)}</td><td class="n">${clock(model.ended ?? model.t)}</td>
    <td>${!model.in_use && !about.read_only && html`<button type="button" class="small"
      aria-label=${`Promote ${version(model.model)}`}
      onClick=${() => act(run, "promote", { model: model.model })}>Promote</button>`}</td></tr>`;
}
