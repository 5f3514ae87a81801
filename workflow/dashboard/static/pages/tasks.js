// Tasks: what went wrong, what runs, and every simulation.
import { html, useCallback, useMemo, useRef } from "../lib/preact.js";
import { runPath, Trouble, useStyle } from "../ui.js";
import { Drawer } from "./tasks/drawer.js";
import { useFetched } from "./tasks/fetched.js";
import { Active, Search, StateCounts } from "./tasks/filters.js";
import { Groups } from "./tasks/groups.js";
import { Running } from "./tasks/running.js";
import { Paging, Table } from "./tasks/table.js";

useStyle("pages/tasks.css");

const LIMIT = 50;
const TABLE_AGAIN = 1000; // ms between two looks at the table while the run goes on
const GROUPS_AGAIN = 2000;
const UNFILTERED = ["sort", "offset", "simulation"];

/** The page of tasks. The address says which rows are shown and which simulation is open beside them. */
export default function Tasks({ run, about, live, query, go }) {
  const readOnly = about.read_only;
  const change = useCallback(
    (changes) => {
      const next = new URLSearchParams(query);
      const filters = Object.keys(changes).some((key) => !UNFILTERED.includes(key));
      if (filters || "sort" in changes) next.delete("offset");
      for (const [key, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === "") next.delete(key);
        else next.set(key, value);
      }
      go("tasks", Object.fromEntries(next));
    },
    [query.toString()],
  );

  const asked = useMemo(() => {
    const asked = new URLSearchParams(query);
    asked.delete("simulation");
    return asked;
  }, [query.toString()]);
  const page = useFetched(`${runPath(run, "simulations")}?${limited(asked)}`, live.seq, TABLE_AGAIN);
  const failed = live.summary.status.simulations.failed;
  const failures = useFetched(failed ? runPath(run, "failures") : null, live.seq, GROUPS_AGAIN);

  const chosen = query.has("simulation") ? Number(query.get("simulation")) : null;
  const open = useCallback((simulation) => change({ simulation }), [change]);
  const close = useCallback(() => {
    const back = `[data-simulation="${chosen}"]`;
    change({ simulation: null });
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        (document.querySelector(back) ?? document.querySelector(".simulations"))?.focus({
          preventScroll: true,
        }),
      ),
    );
  }, [change, chosen]);

  const table = useRef(null);
  const showTable = (changes) => {
    change(changes);
    table.current?.scrollIntoView({ block: "start" });
  };
  const columns = page.data?.columns ?? [];
  const groups = failures.data?.groups ?? [];
  const offset = Number(query.get("offset") ?? 0);
  const file = new URLSearchParams(asked);
  file.delete("offset");
  return html`<div class="tasks ${chosen === null ? "" : "with-drawer"}">
    <div class="stack">
      ${
        failures.data &&
        failed > 0 &&
        html`<${Groups}
          run=${run}
          failures=${failures.data}
          chosen=${query.get("group")}
          choose=${(group) => showTable({ group, state: null })}
          readOnly=${readOnly}
        />`
      }
      <${Running}
        run=${run}
        running=${live.summary.running ?? []}
        readOnly=${readOnly}
        choose=${(task) => showTable({ task, state: null, group: null })}
      />
      <section class="panel" aria-labelledby="simulations-title" ref=${table}>
        <header>
          <h2 id="simulations-title">Simulations</h2>
          <div class="panel-actions">
            <a class="button" href=${`${runPath(run)}/simulations.csv?${file}`} download>CSV</a>
          </div>
        </header>
        <div class="controls">
          <${StateCounts} simulations=${live.summary.status.simulations} query=${query} change=${change} />
          <${Search} query=${query} columns=${columns} change=${change} />
        </div>
        <${Active} query=${query} columns=${columns} groups=${groups} change=${change} />
        ${
          page.error &&
          html`<${Trouble} error=${page.error} retry=${page.error.status === 400 ? undefined : page.again} />`
        }
        ${
          page.error?.status === 400 &&
          html`<p><button type="button" onClick=${() => go("tasks")}>Show all simulations</button></p>`
        }
        ${
          page.data &&
          html`<${Table}
              page=${page.data}
              about=${about}
              query=${query}
              chosen=${chosen}
              open=${open}
              sort=${query.get("sort") ?? "simulation"}
              onSort=${(sort) => change({ sort })}
              busy=${page.path !== `${runPath(run, "simulations")}?${limited(asked)}`}
            />
            <${Paging}
              offset=${offset}
              limit=${LIMIT}
              total=${page.data.total}
              turn=${(to) => change({ offset: to || null })}
            />`
        }
      </section>
    </div>
    ${
      chosen !== null &&
      html`<${Drawer}
        run=${run}
        simulation=${chosen}
        seq=${live.seq}
        readOnly=${readOnly}
        open=${open}
        close=${close}
        filter=${(filters) => showTable({ state: null, task: null, group: null, ...filters })}
      />`
    }
  </div>`;
}

function limited(asked) {
  const query = new URLSearchParams(asked);
  query.set("limit", LIMIT);
  return query;
}
