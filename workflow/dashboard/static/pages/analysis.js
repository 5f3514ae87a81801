// Any page without a script of its own: what the server says is on it, block by block.
import { html, useEffect, useRef, useState } from "../lib/preact.js";
import { api, bytes, DataTable, Disclosure, Panel, runPath, Trouble, useStyle } from "../ui.js";
import { Figure, stamp } from "../figure.js";
import { route } from "../links.js";

useStyle("pages/analysis.css");

/** Shortest time between two looks at what is on a page (ms). */
const REST = 10000;

/** The page that the address names. */
export default function Analysis({ run, live, query }) {
  return html`<${Blocks} run=${run} page=${route().page} live=${live} query=${query} />`;
}

/**
 * The blocks of a page; figures redraw themselves.
 * @param {{run: string, page: string, live: object, query: URLSearchParams}} properties
 */
export function Blocks({ run, page, live, query }) {
  const { content, error, retry } = useContent(run, page, stamp(live.summary));
  if (error && !content) return html`<${Trouble} error=${error} retry=${retry} />`;
  if (!content) return html`<p class="loading soft" role="status">Loading</p>`;
  return html`<div class="stack">
    ${content.intro && html`<p class="soft intro">${content.intro}</p>`}
    <div class="figures">${content.blocks.map((block, k) => html`
      <${Block} key=${`${block.kind}/${block.name ?? block.title ?? block.caption ?? k}`} run=${run} block=${block}
        live=${live} query=${query} />`)}</div></div>`;
}

/** What is on a page; looked at again as models and simulations come in, the first of each at once. */
function useContent(run, page, now) {
  const [state, setState] = useState({ content: null, error: null });
  const [attempt, setAttempt] = useState(0);
  const last = useRef({ ended: -Infinity, seen: "" });
  useEffect(() => {
    const [models, use, done] = now.split("/");
    const seen = [models, use, done === "0"].join("/");
    const wait = seen === last.current.seen ? Math.max(0, REST - (performance.now() - last.current.ended)) : 0;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api(runPath(run, "pages", page), { signal: stop.signal }).then((content) => {
        last.current = { ended: performance.now(), seen };
        // The same content is the same object, so that nothing is drawn again for it.
        setState((old) => JSON.stringify(old.content) === JSON.stringify(content) && !old.error ? old
          : { content, error: null });
      }, (error) => {
        if (!stop.signal.aborted) setState((old) => ({ ...old, error }));
      });
    }, wait);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [run, page, now, attempt]);
  return { ...state, retry: () => setAttempt((k) => k + 1) };
}

function Block({ run, block, live, query }) {
  switch (block.kind) {
    case "figure": return html`<${Figure} run=${run} block=${block} live=${live} query=${query} />`;
    case "table": return html`<${Panel} title=${block.caption}><${Table} block=${block} /><//>`;
    case "text": return html`<${Panel} title=${block.title} className="text">
      ${block.text.split("\n\n").map((text) => html`<p class="prose">${text}</p>`)}<//>`;
    case "code": return html`<${Panel} title=${block.title} className="text">${block.folded
      ? html`<${Disclosure} label="Show it"><pre tabindex="0">${block.text}</pre><//>`
      : html`<pre tabindex="0">${block.text}</pre>`}<//>`;
    case "yaml": return html`<${Yaml} block=${block} />`;
    case "files": return html`<${Files} run=${run} block=${block} />`;
    default: return null; // a kind that a later server knows
  }
}

function Table({ block }) {
  const columns = block.heads.map((name, k) => ({ name, number: block.numbers.includes(k) }));
  return html`<div class=${`titled ${block.heads.some(Boolean) ? "" : "no-heads"}`}>
    <${DataTable} caption=${block.caption} columns=${columns} rows=${block.rows} /></div>`;
}

/** YAML with what the user gave set apart from what was filled in, by weight and by a mark at the margin. */
function Yaml({ block }) {
  return html`<${Panel} title=${block.title} summary="Marked lines were given; grey ones are defaults."
    className="text"><pre class="yaml" tabindex="0">${block.lines.map(({ text, given }) => html`<span
      class=${given ? "given" : "default"}><span class="mark" aria-hidden="true">${given ? "▎" : " "}</span>${
      given ? html`<span class="unseen">given: </span>` : null}${text}${"\n"}</span>`)}</pre><//>`;
}

function Files({ run, block }) {
  const columns = [{ name: "file" }, { name: "what it is" }, { name: "size", number: true }];
  const rows = block.files.map((file) => [
    html`<a download href=${runPath(run, "files", ...file.path.split("/"))}>${file.path}</a>`,
    file.words, bytes(file.bytes),
  ]);
  return html`<${Panel} title=${block.title} className="text">
    <${DataTable} caption="To be downloaded" columns=${columns} rows=${rows} /><//>`;
}
