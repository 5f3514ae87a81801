// How the run is getting on.
import { html } from "../lib/preact.js";
import { number, Tile } from "../ui.js";

export default function Overview({ live }) {
  const { simulations } = live.summary.status;
  return html`<dl class="tiles"><${Tile} label="simulations" value=${number(simulations.done)}
    note=${`of ${number(simulations.total)}`} /></dl>`;
}
