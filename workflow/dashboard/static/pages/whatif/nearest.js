// The simulation nearest to the point, how far away it is, and a simulation of the point itself.
import { html } from "../../lib/preact.js";
import { number, Panel } from "../../ui.js";
import { address } from "../../links.js";
import { withUnit } from "./inputs.js";
import { varied } from "./point.js";

const STATES = {
  pending: "is waiting or running; its result will take the place of the nearest one",
  failed: "failed",
  lost: "was lost",
};

const atPoint = ({ simulated }) => simulated?.state === "done";

/** What the simulation beside the prediction is called. */
export const nearestLabel = (answer) => `simulation ${answer.nearest.simulation}`;

/** @param {{run: string, about: object, answer: object, state: object, ask: () => void}} properties */
export function Nearest({ run, about, answer, state, ask }) {
  const { nearest, simulated } = answer;
  const waiting = state.simulated && (!simulated || simulated.state === "pending");
  const title = atPoint(answer) ? "Simulation of this point" : "Nearest simulation";
  const summary = atPoint(answer) ? "This very point was simulated."
    : `${number(nearest.distance, 2)} box widths away`;
  const link = html`<a href=${address(run, "tasks", { simulation: nearest.simulation })}>Simulation ${
    nearest.simulation}</a>`;
  return html`<${Panel} title=${title} summary=${html`${link}: ${summary}`}
    actions=${!about.read_only && html`<button type="button" onClick=${ask} disabled=${waiting}>
      Simulate this point</button>`}>
    <div class="scroll" tabindex="0" role="region" aria-label="Inputs of the nearest simulation">
    <table class="data"><thead><tr><th scope="col"></th>${varied(about).map(({ name }) => html`<th scope="col"
      class="n" key=${name}>${name}</th>`)}</tr></thead><tbody>
      ${[["this point", answer.inputs], [nearestLabel(answer), nearest.inputs]].map(([head, inputs]) => html`<tr
        key=${head}><th scope="row">${head}</th>${varied(about).map((input) => html`<td class="n" key=${input.name}>
        ${withUnit(Number(inputs[input.name].toPrecision(4)), input.unit)}</td>`)}</tr>`)}
    </tbody></table></div>
    <div role="status">
      ${waiting && !simulated && html`<p>A simulation of this point was asked for. A run that goes on takes it up
        within a second or two.</p>`}
      ${simulated && simulated.state !== "done" && html`<p class=${simulated.state === "pending" ? "" : "bad"}>
        <a href=${address(run, "tasks", { simulation: simulated.simulation })}>Simulation ${simulated.simulation}</a>
        of this point ${STATES[simulated.state]}${simulated.reason ? `: ${simulated.reason}` : ""}.</p>`}
      ${answer.nearest_trouble && html`<p class="bad">${answer.nearest_trouble}</p>`}
    </div>
  </${Panel}>`;
}
