// A page of the table of simulations.
import { html } from "../../lib/preact.js";
import { number, spaced, unit } from "../../ui.js";
import { cell } from "./cells.js";

const FIRST = ["simulation", "state", "failure"];
const LAST = ["wall_seconds", "worker", "task", "held_out", "asked", "model"];
const NUMBERS = ["number", "whole"];

/**
 * The columns to show, in order: {column, at, errorAt}. Constants of the campaign are left out, and what no
 * row on the page has to say.
 */
function shownColumns({ columns, rows }, about, query) {
  const constant = new Set((about.inputs ?? []).filter((input) => input.constant).map((input) => input.name));
  const asked = (key) => query.has(key) || (query.get("sort") ?? "").replace("-", "") === key;
  const all = columns.map((column, at) => ({
    column,
    at,
    errorAt: columns[at + 1]?.kind === "error" ? at + 1 : -1,
  }));
  const said = ({ column, at }) =>
    asked(column.key) || rows.some((row) => row[at] !== null && row[at] !== false);
  const find = (keys) => keys.map((key) => all.find(({ column }) => column.key === key)).filter(Boolean);
  const fixed = new Set([...FIRST, ...LAST]);
  return [
    ...find(FIRST).filter((one) => one.column.key !== "failure" || said(one)),
    ...all.filter(
      ({ column }) => !fixed.has(column.key) && column.kind !== "error" && !constant.has(column.name),
    ),
    ...find(LAST).filter((one) => !["asked", "model", "held_out"].includes(one.column.key) || said(one)),
  ];
}

export function Table({ page, about, query, sort, onSort, chosen, open, busy }) {
  const shown = shownColumns(page, about, query);
  const head = ({ column }) => {
    const falling = sort === `-${column.key}`;
    const order = falling ? "descending" : sort === column.key ? "ascending" : undefined;
    const right = NUMBERS.includes(column.kind);
    const name = unit(spaced(column.name), column.key === "wall_seconds" ? "" : column.unit);
    const sign = order ? (falling ? "▼" : "▲") : "";
    const arrow = html`<span aria-hidden="true" class="arrow">${sign}</span>`; // where numbers do not end
    return html`<th
      scope="col"
      key=${column.key}
      class=${right ? "n" : ""}
      aria-sort=${order}
    >
      <button
        type="button"
        class="plain"
        onClick=${() => onSort(order === "ascending" ? `-${column.key}` : column.key)}
      >
        ${right && arrow}${name}${!right && arrow}
      </button>
    </th>`;
  };
  const row = (cells) =>
    html`<tr
      key=${cells[0]}
      class="pick ${cells[0] === chosen ? "chosen" : ""}"
      aria-current=${cells[0] === chosen ? "true" : undefined}
      onClick=${() => open(cells[0])}
    >
      ${shown.map(({ column, at, errorAt }) => {
        const value = cell(column, cells[at], errorAt < 0 ? undefined : cells[errorAt]);
        const right = NUMBERS.includes(column.kind);
        if (column.key !== "simulation") {
          const title = column.key === "failure" ? cells[at] : undefined;
          return html`<td key=${column.key} class=${right ? "n" : column.key} title=${title}>${value}</td>`;
        }
        return html`<th scope="row" key="simulation" class="n">
          <button
            type="button"
            class="plain"
            data-simulation=${value}
            aria-label=${`Simulation ${value}`}
            onClick=${(event) => {
              event.stopPropagation();
              open(cells[0]);
            }}
          >
            ${value}
          </button>
        </th>`;
      })}
    </tr>`;
  return html`<div
    class="scroll simulations"
    tabindex="0"
    role="group"
    aria-label="Simulations"
    aria-busy=${String(busy)}
  >
    <table class="data">
      <thead>
        <tr>
          ${shown.map(head)}
        </tr>
      </thead>
      <tbody>
        ${
          page.rows.length
            ? page.rows.map(row)
            : html`<tr>
                <td colspan=${shown.length} class="soft">
                  ${page.all ? "No simulation is like this." : "No simulation was proposed yet."}
                </td>
              </tr>`
        }
      </tbody>
    </table>
  </div>`;
}

/** Which rows these are of how many, and the ones before and after. */
export function Paging({ offset, limit, total, turn }) {
  const last = Math.min(total, offset + limit);
  const end = Math.max(0, Math.floor((total - 1) / limit) * limit);
  const button = (label, symbol, to, off) =>
    html`<button type="button" class="small" aria-label=${label} disabled=${off} onClick=${() => turn(to)}>
      ${symbol}
    </button>`;
  const where = `${number(Math.min(offset + 1, total))} to ${number(last)} of ${number(total)}`;
  return html`<nav class="paging" aria-label="Pages of the table">
    ${button("First page", "«", 0, !offset)}
    ${button("Page before", "◀", Math.max(0, offset - limit), !offset)}
    <span>${total ? where : "none"}</span>
    ${button("Next page", "▶", offset + limit, last >= total)} ${button("Last page", "»", end, last >= total)}
  </nav>`;
}
