// All runs under the dashboard's folder, looked at every 5 s.
import { Gone } from "../gone.js";
import { html, useEffect, useRef, useState } from "../lib/preact.js";
import { quoted } from "../links.js";
import { address, ago, api, bytes, Command, counted, DataTable, Empty, factor, number } from "../ui.js";
import { percent, StateBadge, useStyle } from "../ui.js";

useStyle("pages/campaigns.css");

const EVERY = 5000; // ms
const COLUMNS = [
  { name: "run", key: "name" },
  { name: "campaign", key: "campaign" },
  { name: "state", key: "state" },
  { name: "simulations", key: "share" },
  { name: "failed", key: "failed", number: true },
  { name: "effective speedup", key: "speedup", number: true },
  { name: "last event", key: "updated", number: true },
  { name: "disk", key: "disk_bytes", number: true },
];

export default function Campaigns() {
  const [sort, setSort] = useState("-updated");
  const { list, error, look } = useRuns();
  const trouble = error && html`<${Gone} error=${error} retry=${look} />`;
  if (!list) return trouble ?? html`<p class="loading soft">Loading</p>`;
  if (!list.runs.length) return html`${trouble}<${None} root=${list.root} />`;
  const rows = sorted(list.runs, sort).map(row);
  return html`<div class="stack campaigns">
    ${trouble}
    <${DataTable}
      caption=${`${counted(rows.length, "run")} in ${list.root}`}
      columns=${COLUMNS}
      rows=${rows}
      sort=${sort}
      onSort=${setSort}
    />
  </div>`;
}

/** The runs as the server lists them: {list, error, look}, looked at while the page is seen. */
function useRuns() {
  const [state, setState] = useState({ list: null, error: null });
  const look = useRef(null);
  useEffect(() => {
    let timer = 0;
    let over = false;
    look.current = async () => {
      clearTimeout(timer);
      if (!document.hidden) {
        try {
          const list = await api("api/runs");
          if (!over) setState({ list, error: null });
        } catch (error) {
          if (!over) setState((old) => ({ ...old, error }));
        }
      }
      clearTimeout(timer);
      if (!over) timer = setTimeout(look.current, EVERY);
    };
    look.current();
    document.addEventListener("visibilitychange", look.current);
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look.current);
    };
  }, []);
  return { ...state, look: () => look.current() };
}

function None({ root }) {
  return html`<${Empty}>
    <p>There is no run in <code class="wrap">${root}</code> yet. This writes a campaign and runs it:</p>
    <${Command} text="mlaround init" />
    <${Command} text=${`mlaround run slit_density.yaml --run ${quoted(`${root}/first`)}`} />
    <p>The run appears here by itself.</p>
  <//>`;
}

const share = ({ done, failed, total }) => (total ? (done + failed) / total : 0);

function sorted(runs, sort) {
  const key = sort.replace(/^-/, "");
  const value = (run) => (key === "share" ? share(run) : run[key]);
  const order = (a, b) => {
    if (value(a) === value(b)) return a.name.localeCompare(b.name);
    if (value(a) === null || value(a) === undefined) return 1;
    if (value(b) === null || value(b) === undefined) return -1;
    return (value(a) < value(b) ? -1 : 1) * (sort.startsWith("-") ? -1 : 1);
  };
  return [...runs].sort(order);
}

function row(run) {
  const name = html`<a class="wrap name" href=${address(run.name)}>${run.name}</a>`;
  if (run.error) {
    const words = html`<span class="bad wrap">✕ ${run.error}</span>`;
    return [name, run.campaign, words, "", "", "", ago(run.updated), bytes(run.disk_bytes)];
  }
  return [
    name,
    html`<span class="wrap name">${run.campaign}</span>`,
    html`<${StateBadge} state=${run.state} />`,
    html`<${Share} run=${run} />`,
    run.failed ? html`<span class="bad">✕ ${number(run.failed)}</span>` : "0",
    factor(run.speedup),
    ago(run.updated),
    bytes(run.disk_bytes),
  ];
}

/** How far a run is: what is done, then what failed, of all. */
function Share({ run }) {
  const part = (count) => (run.total ? count / run.total : 0);
  const said = `${number(run.done)} done and ${number(run.failed)} failed of ${number(run.total)}`;
  return html`<span class="share">
    <span class="bar" role="img" aria-label=${`${run.name}: ${said}`} title=${said}>
      <i class="done" style=${{ flexGrow: part(run.done) }}></i>
      <i class="failed" style=${{ flexGrow: part(run.failed) }}></i>
      <i style=${{ flexGrow: Math.max(0, 1 - share(run)) }}></i>
    </span>
    <span>${percent(share(run))}</span>
    <span class="soft">${number(run.done)} of ${number(run.total)} done</span>
  </span>`;
}
