// All runs under the dashboard's folder, looked at every 5 s.
import { html, useEffect, useState } from "../lib/preact.js";
import {
  address,
  ago,
  api,
  bytes,
  Command,
  DataTable,
  Empty,
  factor,
  number,
  percent,
  StateBadge,
  Trouble,
  useStyle,
} from "../ui.js";

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
  const [state, setState] = useState({ list: null, error: null });
  const [sort, setSort] = useState("-updated");
  useEffect(() => {
    let timer = 0;
    let over = false;
    const look = async () => {
      if (!document.hidden) {
        try {
          const list = await api("api/runs");
          if (!over) setState({ list, error: null });
        } catch (error) {
          if (!over) setState((old) => ({ ...old, error }));
        }
      }
      if (!over) timer = setTimeout(look, EVERY);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  const { list, error } = state;
  if (!list) return error ? html`<${Trouble} error=${error} />` : html`<p class="loading soft">Loading</p>`;
  if (!list.runs.length) {
    return html`<${Empty}><p>No run in <code>${list.root}</code> yet. This starts one:</p>
      <${Command} text=${`mlaround run campaign.yaml --run ${list.root}/my_first_run`} />
      <p>It appears here by itself.</p><//>`;
  }
  const rows = sorted(list.runs, sort).map(row);
  return html`<div class="stack">${error && html`<${Trouble} error=${error} />`}
    <${DataTable} caption=${`Runs in ${list.root}`} columns=${COLUMNS} rows=${rows} sort=${sort} onSort=${setSort} />
  </div>`;
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
  const name = html`<a class="wrap" href=${address(run.name)}>${run.name}</a>`;
  if (run.error)
    return [name, run.campaign, html`<span class="bad wrap">✕ ${run.error}</span>`, "", "", "", "", ""];
  return [
    name,
    html`<span class="wrap">${run.campaign}</span>`,
    html`<${StateBadge} state=${run.state} />`,
    html`<${Share} run=${run} />`,
    run.failed ? html`<span class="bad">✕ ${number(run.failed)}</span>` : "0",
    factor(run.speedup),
    ago(run.updated),
    bytes(run.disk_bytes),
  ];
}

function Share({ run }) {
  return html`<span class="share"><progress max="1" value=${share(run)}
    aria-label=${`${percent(share(run))} of ${run.name}`}></progress>
    <span>${number(run.done + run.failed)} of ${number(run.total)}</span></span>`;
}
