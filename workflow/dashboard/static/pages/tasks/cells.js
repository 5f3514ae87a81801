// How cells of the table of simulations are written.
import { html } from "../../lib/preact.js";
import { number, OF_SIMULATIONS, plusMinus, seconds, version } from "../../ui.js";

/** The state of a simulation as a shape, a word and a colour. */
export function State({ state }) {
  return html`<span class="state state-${state}"
    ><span aria-hidden="true">${OF_SIMULATIONS[state].symbol}</span> ${` ${state}`}</span
  >`;
}

/** A cell by the kind of its column. */
export function cell(column, value, error) {
  if (value === null || value === undefined) return "–";
  if (column.key === "state") return html`<${State} state=${value} />`;
  if (column.key === "wall_seconds") return seconds(value);
  if (column.key === "model") return version(value);
  if (column.kind === "flag") return value ? "yes" : "–";
  if (column.kind === "whole") return String(value);
  if (column.kind === "number") return error === undefined ? number(value, 4) : plusMinus(value, error);
  return value;
}
