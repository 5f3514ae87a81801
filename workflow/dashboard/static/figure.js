// A figure block: what can be chosen, the plot in the page's colours, its table and its downloads.
import { html, useEffect, useMemo, useRef, useState } from "./lib/preact.js";
import { address, api, colours, DataTable, download, number, Panel, runPath, sentence, spaced, Trouble,
  useStyle, useTheme } from "./ui.js";
import { route } from "./links.js";
import { draw, picture, resetView, undraw } from "./plot.js";

/** Shortest time between two drawings of a figure because data came in (ms). */
const REST = 5000;

useStyle("figure.css");

/**
 * A figure that redraws when models or data come in, at most every few seconds and only while it is seen.
 * @param {{run: string, block: object, live: object, query: URLSearchParams}} properties
 */
export function Figure({ run, block, live, query }) {
  const place = useRef(null);
  const seen = useSeen(place);
  const [chosen, choose] = useChoices(run, block, query);
  const asked = asking(block, chosen);
  const { figure, error, retry } = useFigure(run, block.name, asked, seen, stamp(live.summary));
  const wide = figure?.layout.meta?.min_width > 800;
  return html`<div ref=${place} class=${`figure ${wide ? "wide" : ""}`} data-figure=${block.name}
    data-drawn=${figure?.asked ?? ""}>
    <${Panel} title=${figure?.title ?? sentence(spaced(block.name)).slice(0, -1)} summary=${figure?.summary}>
      <${Choices} block=${block} chosen=${chosen} choose=${choose} />
      ${error && (error.status === 404 ? html`<p class="empty">${sentence(error.words)}</p>`
        : html`<${Trouble} error=${error} retry=${retry} />`)}
      ${figure ? html`<${Plot} figure=${figure} /><${Numbers} run=${run} name=${block.name} figure=${figure} />`
        : !error && html`<div class="figure-waiting"></div>`}
    <//></div>`;
}

/** What a figure may depend on, as a text that changes with it. */
export function stamp({ models = [], status }) {
  const { done = 0, failed = 0 } = status?.simulations ?? {};
  const blocks = JSON.stringify(status?.blocks ?? {});
  return `${models.length}/${models.find((model) => model.in_use)?.model ?? 0}/${done}/${failed}/${blocks}`;
}

/** Whether an element is on the screen, or nearly. */
function useSeen(place) {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => setSeen(entry.isIntersecting), { rootMargin: "200px" });
    watch.observe(place.current);
    return () => watch.disconnect();
  }, []);
  return seen;
}

/** The chosen value of each option, kept in the address so that a link shows the same. */
function useChoices(run, block, query) {
  const first = () => Object.fromEntries(Object.entries(block.choices).map(([option, values]) => {
    const given = query.get(`${block.name}.${option}`);
    const found = values.find((value) => String(value) === given);
    return [option, found !== undefined ? found : block.options[option] ?? values[0]];
  }));
  const [chosen, setChosen] = useState(first);
  const choose = (option, value) => {
    const next = { ...chosen, [option]: value };
    // Two options with the same values, such as the axes of a map, change places rather than coincide.
    for (const [other, values] of Object.entries(block.choices)) {
      const alike = other !== option && value !== null && String(values) === String(block.choices[option]);
      if (alike && chosen[other] === value) next[other] = chosen[option];
    }
    setChosen(next);
    const here = route();
    for (const [name, now] of Object.entries(next)) {
      if (now === null) here.query.delete(`${block.name}.${name}`);
      else here.query.set(`${block.name}.${name}`, now);
    }
    history.replaceState(null, "", address(run, here.page, here.query));
  };
  return [chosen, choose];
}

/** The query of a figure: no value is asked for of an input that runs along an axis. */
function asking(block, chosen) {
  const fixed = Object.entries(block.options).filter(([option]) => !(option in block.choices));
  const taken = offered(block, chosen).map((option) => [option, chosen[option]]);
  return String(new URLSearchParams([...fixed, ...taken].filter(([, value]) => value !== null)));
}

/** The options that have a meaning beside what else is chosen. */
function offered(block, chosen) {
  const named = Object.entries(chosen).filter(([option]) => !option.includes(".")).map(([, value]) => value);
  return Object.keys(block.choices).filter((option) => !named.includes(option.split(".")[1]));
}

/** The figure as the server has it, asked for again when something changed, not more often than it should. */
function useFigure(run, name, asked, seen, now) {
  const [state, setState] = useState({ figure: null, error: null });
  const [attempt, setAttempt] = useState(0);
  const last = useRef({ asked: null, now: null, ended: -Infinity, took: 0 });
  useEffect(() => {
    if (!seen || (last.current.asked === asked && last.current.now === now)) return;
    const changed = last.current.asked !== asked;
    const since = performance.now() - last.current.ended;
    const wait = changed ? 0 : Math.max(0, Math.max(REST, 10 * last.current.took) - since);
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const began = performance.now();
      try {
        const figure = await api(`${runPath(run, "figures", name)}?${asked}`, { signal: stop.signal });
        if (stop.signal.aborted) return;
        setState({ figure: { ...figure, asked: `${name}?${asked}` }, error: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((old) => ({ figure: changed || error.status ? null : old.figure, error }));
      }
      const ended = performance.now();
      last.current = { asked, now, ended, took: ended - began };
    }, wait);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [run, name, asked, seen, now, attempt]);
  const retry = () => {
    last.current.asked = null;
    setAttempt((k) => k + 1);
  };
  return { ...state, retry };
}

function Choices({ block, chosen, choose }) {
  const options = offered(block, chosen);
  if (!options.length) return null;
  return html`<div class="figure-choices">${options.map((option) => html`<label class="field" key=${option}>
    ${block.labels[option] ?? spaced(option)}
    <select value=${String(chosen[option])} onChange=${({ target }) => choose(option,
      block.choices[option][target.selectedIndex])}>${block.choices[option].map((value) => html`
      <option key=${String(value)} value=${String(value)}>${shown(block, option, value)}</option>`)}
    </select></label>`)}</div>`;
}

function shown(block, option, value) {
  if (value === null) return block.unset[option] ?? "all";
  return typeof value === "number" ? number(value, 6).replaceAll(",", "") : spaced(value);
}

/** The plot itself: drawn again when the figure or the theme changes, and fitted when its place does. */
function Plot({ figure }) {
  const place = useRef(null);
  const theme = useTheme();
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    draw(place.current, figure, colours()).then(() => setFailed(null), setFailed);
  }, [figure, theme]);
  useEffect(() => () => undraw(place.current), []);
  const { height, meta } = figure.layout;
  const size = { height: `${height}px`, minWidth: `${meta?.min_width ?? 300}px` };
  return html`${failed && html`<${Trouble} error=${{ words: "The plotting library could not be loaded." }} />`}
    <div class="scroll" tabindex="0" role="group" aria-label=${`Plot: ${figure.title}`}>
      <div ref=${place} class="plot" role="img" aria-label=${`${figure.title}. ${figure.summary}`} style=${size}>
      </div></div>`;
}

/** What may be done with a figure: pictures, its numbers as a file and as a table. */
function Numbers({ run, name, figure }) {
  const [open, setOpen] = useState(false);
  const file = `${run}-${figure.name}`;
  const query = figure.asked.split("?")[1];
  const save = async (format) => download(`${file}.${format}`, await picture(figure, format));
  return html`<div class="figure-buttons">
    <button type="button" class="small" onClick=${({ target }) => resetView(
      target.closest(".figure").querySelector(".plot"), figure, colours())}>
      Reset view</button>
    <button type="button" class="small" onClick=${() => save("png")}>PNG</button>
    <button type="button" class="small" onClick=${() => save("svg")}>SVG</button>
    <a class="button small" download=${`${file}.csv`} href=${`${runPath(run, "figures", `${name}.csv`)}?${query}`}>
      CSV</a>
    <button type="button" class="small" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
      ${open ? "Hide the table" : "View as table"}</button>
    ${open && html`<${Table} figure=${figure} />`}</div>`;
}

function Table({ figure }) {
  const { columns, rows } = figure;
  const lines = useMemo(() => columns[0].values.map((_, k) => columns.map(({ values }) => values[k])), [figure]);
  const caption = lines.length < rows
    ? `The first ${number(lines.length)} of ${number(rows)} rows; the CSV file has them all.`
    : `${number(rows)} rows`;
  const heads = columns.map(({ head, values }) => ({
    name: head.replace("[", "(").replace("]", ")"),
    number: values.some((value) => typeof value === "number"),
  }));
  return html`<div class="figure-table"><${DataTable} caption=${caption} columns=${heads} rows=${lines} /></div>`;
}
