// The simulation nearest to the point, how far away it is, and a simulation of the point itself.
import { html } from "../../lib/preact.js";
import { number, Panel, spaced, unit } from "../../ui.js";
import { address } from "../../links.js";
import { varied } from "./point.js";

const STATES = {
  pending: "is waiting or running; its result will take the place of the nearest one",
  failed: "failed",
  lost: "was lost",
};

const atPoint = ({ simulated }) => simulated?.state === "done";

/** What the simulation beside the prediction is called. */
export const nearestLabel = (answer) => `simulation ${answer.nearest.simulation}`;

const away = ({ nearest }) => `${number(nearest.distance, 2)} box widths away`;

/**
 * The same where its points are drawn: {words, apart}; `apart` says that its inputs are others, so that what
 * lies between its points and the curve is no error of the model.
 */
export function nearestPoints(answer) {
  const apart = answer.nearest.distance > 0;
  const words = apart ? `nearest ${nearestLabel(answer)}, ${away(answer)}: other inputs`
    : `${nearestLabel(answer)} of this very point`;
  return { words: `${words}; ± standard error`, apart };
}

/** @param {{run: string, about: object, answer: object, state: object, ask: () => void}} properties */
export function Nearest({ run, about, answer, state, ask }) {
  const { nearest, simulated } = answer;
  const waiting = state.simulated && (!simulated || simulated.state === "pending");
  const title = atPoint(answer) ? "Simulation of this point" : "Nearest simulation";
  const summary = atPoint(answer) ? "This very point was simulated."
    : away(answer);
  const link = (simulation) => html`<a href=${address(run, "tasks", { simulation })}>Simulation ${
    simulation}</a>`;
  return html`<${Panel} title=${title} summary=${html`${link(nearest.simulation)}: ${summary}`}
    actions=${!about.read_only && html`<button type="button" onClick=${ask} disabled=${waiting}>
      Simulate this point</button>`}>
    <div class="scroll" tabindex="0" role="group" aria-label="Inputs of the nearest simulation">
    <table class="data"><thead><tr><th scope="col">input</th><th scope="col" class="n">this point</th>
      <th scope="col" class="n">${nearestLabel(answer)}</th></tr></thead>
      <tbody>${varied(about).map(({ name, unit: of }) => html`<tr key=${name}>
        <th scope="row">${unit(spaced(name), of)}</th><td class="n">${number(answer.inputs[name], 6)}</td>
        <td class="n">${number(nearest.inputs[name], 4)}</td></tr>`)}</tbody></table></div>
    <div role="status">
      ${waiting && !simulated && html`<p>A simulation of this point was asked for. A run that goes on
        takes it up within a second or two, one that is over when it is resumed.</p>`}
      ${simulated && !atPoint(answer) && html`<p class=${waiting ? "" : "bad"}>
        ${link(simulated.simulation)}${" "}
        of this point ${STATES[simulated.state]}${simulated.reason ? `: ${simulated.reason}` : ""}.</p>`}
      ${answer.nearest_trouble && html`<p class="bad">${answer.nearest_trouble}</p>`}
    </div>
  </${Panel}>`;
}
