// Which simulations are shown: counts by state, a text, ranges.
import { html, useEffect, useRef, useState } from "../../lib/preact.js";
import { counts, number, OF_SIMULATIONS, spaced, unit } from "../../ui.js";

const STATES = Object.keys(OF_SIMULATIONS);
const ALWAYS = ["done", "failed"];
const TYPING = 300; // ms to wait for more keys

/** Counts by state; each shows its simulations alone. */
export function StateCounts({ simulations, query, change }) {
  const of = counts(simulations);
  const chosen = query.get("state");
  const all = STATES.reduce((sum, state) => sum + of[state], 0);
  const one = (state, label, symbol, count, pressed) =>
    html`<li key=${state ?? "all"}>
      <button
        type="button"
        class="chip state-${state ?? "all"}"
        aria-pressed=${String(pressed)}
        onClick=${() => change({ state: pressed ? null : state })}
      >
        ${symbol && html`<span aria-hidden="true">${symbol}</span>`} ${label} <b>${number(count)}</b>
      </button>
    </li>`;
  return html`<ul class="chips" aria-label="Simulations by state">
    ${one(null, "all", "", all, !chosen)}
    ${STATES.filter((state) => of[state] || ALWAYS.includes(state) || chosen === state).map((state) =>
      one(state, state, OF_SIMULATIONS[state].symbol, of[state], chosen === state),
    )}
  </ul>`;
}

/** A text to look for, and ranges of inputs and outputs to add. */
export function Search({ query, columns, change }) {
  const given = query.get("text") ?? "";
  const [text, setText] = useState(given);
  const timer = useRef(0);
  useEffect(() => setText(given), [given]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = ({ target: { value } }) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ text: value.trim() || null }), TYPING);
  };
  return html`<div class="search">
    <input
      type="search"
      aria-label="Find by number, worker or failure"
      placeholder="Number, worker or failure"
      value=${text}
      onInput=${type}
    />
    <${RangeForm} columns=${columns} change=${change} />
  </div>`;
}

function RangeForm({ columns, change }) {
  const [open, setOpen] = useState(false);
  const [key, setKey] = useState("");
  const [low, setLow] = useState("");
  const [high, setHigh] = useState("");
  const [wrong, setWrong] = useState("");
  const usable = columns.filter(({ kind, key: name }) => kind !== "word" && !["simulation"].includes(name));
  const column = usable.find((one) => one.key === key) ?? usable[0];
  const flag = column?.kind === "flag";
  const submit = (event) => {
    event.preventDefault();
    if (flag) change({ [column.key]: low || "1" });
    else if (!low && !high) return setWrong("Give a least or a greatest value.");
    else if (low && high && Number(low) > Number(high))
      return setWrong("The least value is above the greatest.");
    else change({ [column.key]: `${low}:${high}` });
    setWrong("");
    setLow("");
    setHigh("");
    setOpen(false);
  };
  if (!column) return null;
  const box = (label, value, set) =>
    html`<input
      type="number"
      step="any"
      aria-label=${label}
      placeholder=${label}
      value=${value}
      onInput=${({ target }) => set(target.value)}
    />`;
  return html`<button type="button" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      Add a filter
    </button>
    ${
      open &&
      html`<form class="range" onSubmit=${submit}>
        <select
          aria-label="Column"
          value=${column.key}
          onChange=${({ target }) => {
            setKey(target.value);
            setLow("");
          }}
        >
          ${usable.map(
            (one) =>
              html`<option key=${one.key} value=${one.key}>
                ${unit(spaced(one.name), one.unit)}
              </option>`,
          )}
        </select>
        ${
          flag
            ? html`<select
                aria-label="Value"
                value=${low || "1"}
                onChange=${({ target }) => setLow(target.value)}
              >
                <option value="1">yes</option>
                <option value="0">no</option>
              </select>`
            : html`${box("from", low, setLow)} ${box("to", high, setHigh)}`
        }
        <button type="submit">Add</button>
        ${wrong && html`<span class="bad" role="alert">${wrong}</span>`}
      </form>`
    }`;
}

/** The filters in force, each with a button that takes it away. */
export function Active({ query, columns, groups, change }) {
  const names = new Map(columns.map((column) => [column.key, column]));
  const shown = [...query].filter(
    ([key]) => !["sort", "offset", "simulation", "state", "text"].includes(key),
  );
  if (!shown.length) return null;
  const words = ([key, value]) => {
    if (key === "group") {
      const group = groups.find((one) => one.key === value);
      return `failure: ${group ? group.reason : value}`;
    }
    const column = names.get(key);
    const name = spaced(column?.name ?? key);
    if (column?.kind === "flag") return `${value === "1" ? "" : "not "}${name}`;
    const [low, high] = value.split(":");
    const of = column?.unit ? ` ${column.unit}` : "";
    if (high === undefined) return `${name}: ${value}${of}`;
    return low && high ? `${name}: ${low} to ${high}${of}` : `${name} ${low ? `≥ ${low}` : `≤ ${high}`}${of}`;
  };
  return html`<ul class="chips active" aria-label="Filters in force">
    ${shown.map(
      (entry) =>
        html`<li key=${entry[0]}>
          <button
            type="button"
            class="chip"
            aria-label=${`Take away the filter ${words(entry)}`}
            onClick=${() => change({ [entry[0]]: null })}
          >
            ${words(entry)} <span aria-hidden="true">×</span>
          </button>
        </li>`,
    )}
    ${
      shown.length > 1 &&
      html`<li>
        <button
          type="button"
          class="small"
          onClick=${() => change(Object.fromEntries(shown.map(([key]) => [key, null])))}
        >
          Clear
        </button>
      </li>`
    }
  </ul>`;
}
