// What pages are made of. Pages import from here and from lib/preact.js alone.
import { html, useMemo, useRef, useState } from "./lib/preact.js";
import { number, sentence, unit } from "./format.js";
import { prose } from "./prose.js";
import { STATES } from "./theme.js";

export { api, runPath } from "./api.js";
export { act } from "./act.js";
export { actionWords } from "./asked.js";
export { ago, bytes, clock, counted, factor, now, number, percent, plusMinus } from "./format.js";
export { quantity, roughly, seconds, sentence, spaced, timeUnit, unit, version } from "./format.js";
export { useSlowly, useTick } from "./hooks.js";
export { address } from "./links.js";
export { prose } from "./prose.js";
export { counts, OF_SIMULATIONS } from "./states.js";
export { useStyle } from "./styles.js";
export { colours, onTheme, STATES, useTheme } from "./theme.js";

/** Rows that "View as table" shows; the CSV file has all of them. */
const ROWS_SHOWN = 500;

let ids = 0;
const useId = (name) => useMemo(() => `${name}-${++ids}`, []);

/**
 * One number that matters, with what it is and a remark. `state`: "", "good", "bad" or "warn"; `href` is
 * where the whole tile leads. Tiles stand in a `<dl class="tiles">`.
 */
export function Tile({ label, value, note, state = "", href }) {
  return html`<div class="tile ${state}">
    <dt>${label}</dt>
    <dd>${href ? html`<a href=${href}>${value}</a>` : value}${note && html`<small>${note}</small>`}</dd>
  </div>`;
}

const RUN_STATES = {
  running: ["▶", "running"],
  paused: ["❚❚", "paused"],
  finished: ["✓", "finished"],
  stopped: ["■", "stopped"],
  interrupted: ["◆", "interrupted"],
  failed: ["✕", "failed"],
};

/** The state of a run, or of a task by its code, as a shape, a word and a colour. */
export function StateBadge({ state }) {
  const [symbol, name, key] =
    typeof state === "number"
      ? [STATES[state].symbol, STATES[state].name, STATES[state].name.replaceAll(" ", "-")]
      : [...(RUN_STATES[state] ?? ["○", state ?? "unknown"]), state];
  return html`<span class="badge state-${key}"><span aria-hidden="true">${symbol}</span> ${name}</span>`;
}

/**
 * A table. A column is {name, unit, number, key, width}; a row an array of its cells (text, numbers or
 * elements). `sort` is the key (or name) of the column the rows are sorted by, "-" before it for descending;
 * `onSort` takes the next one. `onRow` takes a row and its index when it is clicked.
 */
export function DataTable({ caption, columns, rows, onRow, sort, onSort, empty = "Nothing to show." }) {
  const line = (row, index) => {
    const pick = onRow && (() => onRow(row, index));
    return html`<tr class=${pick ? "pick" : ""} onClick=${pick}>
      ${row.map((value, k) => cell(value, columns[k], k === 0 && pick))}
    </tr>`;
  };
  const none = html`<tr><td colspan=${columns.length} class="soft">${empty}</td></tr>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="data">
      <caption>${caption}</caption>
      <thead><tr>${columns.map((column) => head(column, sort, onSort))}</tr></thead>
      <tbody>${rows.length ? rows.map(line) : none}</tbody>
    </table>
  </div>`;
}

const ARROWS = { ascending: "▲", descending: "▼" };

function head(column, sort, onSort) {
  const key = column.key ?? column.name;
  const name = unit(column.name, column.unit);
  const align = column.number ? "n" : "";
  if (!name) return html`<td></td>`; // no word, no heading
  if (!onSort) return html`<th scope="col" class=${align}>${name}</th>`;
  const order = sort === key ? "ascending" : sort === `-${key}` ? "descending" : undefined;
  const arrow = html`<span aria-hidden="true" class="arrow">${ARROWS[order]}</span>`;
  const next = () => onSort(order === "descending" ? key : `-${key}`);
  return html`<th scope="col" class=${align} aria-sort=${order}>
    <button type="button" class="plain" onClick=${next}>
      ${column.number && arrow}${name}${!column.number && arrow}
    </button>
  </th>`;
}

/** A cell; the first one of a row that can be picked is a button, for keyboards. */
function cell(value, column, pick) {
  const shown = column?.number && typeof value === "number" ? number(value) : (value ?? "–");
  const picked = (event) => {
    event.stopPropagation();
    pick();
  };
  return html`<td class=${column?.number ? "n" : ""}>
    ${pick ? html`<button type="button" class="plain" onClick=${picked}>${shown}</button>` : shown}
  </td>`;
}

/** A part of a page with a title, one line about it, and what can be done with it. */
export function Panel({ title, summary, actions, children, className = "" }) {
  const id = useId("panel");
  return html`<section class="panel ${className}" aria-labelledby=${id}>
    <header>
      <div><h2 id=${id}>${title}</h2>${summary && html`<p class="soft">${summary}</p>`}</div>
      ${actions && html`<div class="panel-actions">${actions}</div>`}
    </header>
    ${children}
  </section>`;
}

/** Where there is nothing yet: why, and what to do. */
export function Empty({ children }) {
  return html`<div class="empty">${children}</div>`;
}

/** Something that is shown when asked for; its content is made only then. */
export function Disclosure({ label, children, open: opened = false }) {
  const [open, setOpen] = useState(opened);
  return html`<details class="disclosure" open=${open} onToggle=${({ target }) => setOpen(target.open)}>
    <summary>${label}</summary>${open && children}</details>`;
}

/** Gives the user a file: text, or a Blob. */
export function download(name, text, type = "text/plain") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(text instanceof Blob ? text : new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Rows as CSV (RFC 4180). */
export function csv(head, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/**
 * The numbers behind a picture: as a table on the page and as a CSV file `name`.csv.
 * `rows` is an array of arrays, or a function that gives one when it is needed.
 */
export function TableToggle({ head, rows, name }) {
  const [open, setOpen] = useState(false);
  const all = () => (typeof rows === "function" ? rows() : rows);
  const shown = open ? all() : [];
  const numbers = head.map((_, k) => shown.some((row) => typeof row[k] === "number"));
  const caption =
    shown.length > ROWS_SHOWN
      ? `The first ${ROWS_SHOWN} of ${number(shown.length)} rows; the CSV file has them all.`
      : `${number(shown.length)} rows`;
  const columns = head.map((title, k) => ({ name: title, number: numbers[k] }));
  const save = () => download(`${name}.csv`, csv(head, all()), "text/csv");
  return html`<div class="table-toggle">
    <button type="button" class="small" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      ${open ? "Hide the table" : "View as table"}
    </button>
    <button type="button" class="small" onClick=${save}>CSV</button>
    ${open && html`<${DataTable} caption=${caption} rows=${shown.slice(0, ROWS_SHOWN)} columns=${columns} />`}
  </div>`;
}

/** A command to type, with a button that copies it. */
export function Command({ text, label }) {
  const [copied, setCopied] = useState(false);
  const code = useRef(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // not allowed on this address: the text is selected, so that Ctrl+C copies it
      getSelection().selectAllChildren(code.current);
      if (!document.execCommand("copy")) return;
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<div class="command">${label && html`<span class="soft">${label}</span>`}
    <code ref=${code}>${text}</code>
    <button type="button" class="small" onClick=${copy}>${copied ? "Copied" : "Copy"}</button></div>`;
}

/**
 * An error in words, with what to do about it and a way to try again.
 * @param {{error: {words?: string, do?: string, message?: string}, retry?: () => void}} properties
 */
export function Trouble({ error, retry }) {
  return html`<div class="trouble" role="alert">
    <p><strong>${prose(sentence(error.words ?? error.message))}</strong></p>
    ${error.do && html`<p>${prose(sentence(error.do))}</p>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}
