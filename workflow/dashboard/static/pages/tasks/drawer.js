// One simulation in full, beside the table.
import { html, useEffect, useRef } from "../../lib/preact.js";
import {
  act,
  address,
  bytes,
  clock,
  Command,
  counted,
  number,
  plusMinus,
  runPath,
  seconds,
  Trouble,
  unit,
  version,
} from "../../ui.js";
import { State } from "./cells.js";
import { useFetched } from "./fetched.js";
import { Profile } from "./profile.js";

const AGAIN = 3000; // ms between two looks at a simulation that is not over

/** `open` shows another simulation, `close` none; `filter` shows a part of the table. */
export function Drawer({ run, simulation, seq, readOnly, open, close, filter }) {
  const over = useRef(false);
  const { data, error, path, again } = useFetched(
    runPath(run, "simulations", simulation),
    over.current ? 0 : seq,
    AGAIN,
  );
  const shown = path === runPath(run, "simulations", simulation) ? data : null;
  over.current = shown ? ["done", "lost"].includes(shown.state) : false;
  const heading = useRef(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [simulation]);
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      close();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [close]);
  return html`<aside class="drawer" aria-label=${`Simulation ${simulation}`}>
    <header>
      <h2 tabindex="-1" ref=${heading}>Simulation ${simulation}</h2>
      ${shown && html`<${State} state=${shown.state} />`}
      <div class="step">
        <button
          type="button"
          class="small"
          aria-label="The simulation before"
          disabled=${simulation === 0}
          onClick=${() => open(simulation - 1)}
        >
          ◀
        </button>
        <button
          type="button"
          class="small"
          aria-label="The next simulation"
          onClick=${() => open(simulation + 1)}
        >
          ▶
        </button>
        <button type="button" class="small" onClick=${close}>Close</button>
      </div>
    </header>
    ${
      error && !shown
        ? html`<${Trouble} error=${error} retry=${again} />`
        : shown
          ? html`<${Content} run=${run} one=${shown} readOnly=${readOnly} open=${open} filter=${filter} />`
          : html`<p class="soft" role="status">Loading</p>`
    }
  </aside>`;
}

function Content({ run, one, readOnly, open, filter }) {
  const { failure, inputs, outputs, profiles, ran, history, files, neighbours, command } = one;
  const remark = [
    one.held_out && "Held out: no model learns from it, it judges them.",
    one.asked && `Asked for by ${one.asked}.`,
    one.model ? `Chosen by model ${version(one.model)}.` : "",
  ]
    .filter(Boolean)
    .join(" ");
  return html`${remark && html`<p class="soft">${remark}</p>`}
    ${
      failure &&
      html`<section class="failure">
        <h3>${failure.reason}</h3>
        <pre>${failure.message}</pre>
        ${
          failure.last_good_step !== null &&
          html`<p class="soft">
            The last good frame, of step ${number(failure.last_good_step)}, is in the result file.
          </p>`
        }
        <div class="group-actions">
          ${
            !readOnly &&
            html`<button
              type="button"
              class="small"
              onClick=${() => act(run, "retry", { simulations: [one.simulation] })}
            >
              Try it again
            </button>`
          }
          <button type="button" class="small" onClick=${() => filter({ group: failure.group })}>
            Show all that failed so
          </button>
        </div>
      </section>`
    }
    ${
      !readOnly &&
      one.state === "running" &&
      html`<p>
        <button type="button" class="small" onClick=${() => act(run, "kill", { tasks: [one.task] })}>
          Stop its task
        </button>
      </p>`
    }
    <section>
      <h3>Inputs</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">input</th>
            <th scope="col" class="n">value</th>
            <th scope="col">unit</th>
            <th scope="col" class="n">campaign</th>
            <th scope="col" class="n">accepted</th>
          </tr>
        </thead>
        <tbody>
          ${inputs.map(
            (input) =>
              html`<tr>
                <th scope="row" title=${input.description}>${input.name}</th>
                <td class="n">${number(input.value, 6)}</td>
                <td>${input.unit || "–"}</td>
                <td class="n soft">${span(input.campaign)}</td>
                <td class="n soft">${span(input.accepted)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </section>
    ${
      outputs.some(({ mean }) => mean !== null) &&
      html`<section>
        <h3>Outputs</h3>
        <table>
          <thead>
            <tr>
              <th scope="col">output</th>
              <th scope="col" class="n">mean ± standard error</th>
              <th scope="col">unit</th>
            </tr>
          </thead>
          <tbody>
            ${outputs.map(
              (output) =>
                html`<tr>
                  <th scope="row" title=${output.description}>${output.name}</th>
                  <td class="n">${plusMinus(output.mean, output.stderr)}</td>
                  <td>${output.unit || "–"}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </section>`
    }
    ${profiles.map(
      (profile) => html`<section key=${profile.name}><${Profile} profile=${profile} /></section>`,
    )}
    ${one.unread && html`<p class="bad">${one.unread}</p>`}
    <section>
      <h3>Where and when</h3>
      <dl class="facts">
        <dt>task</dt>
        <dd>
          <button type="button" class="plain link" onClick=${() => filter({ task: one.task })}>
            ${one.task}</button
          >, ${ran.count === 1 ? "alone" : `with ${counted(ran.count - 1, "other")}`}
        </dd>
        <dt>worker</dt>
        <dd class="wrap">${ran.worker ?? "none yet"}</dd>
        ${
          ran.started !== null &&
          html`<dt>task started</dt>
            <dd>${clock(ran.started)}</dd>
            <dt>task ended</dt>
            <dd>${clock(ran.ended)}, after ${seconds(ran.ended - ran.started)}</dd>`
        }
        ${
          ran.wall_seconds !== null &&
          html`<dt>wall time</dt>
            <dd>
              ${seconds(ran.wall_seconds)}${" "}
              <span class="soft">(processor ${seconds(ran.cpu_seconds)})</span>
            </dd>`
        }
        <dt>seed</dt>
        <dd><code>${one.seed}</code></dd>
      </dl>
    </section>
    <section>
      <h3>History</h3>
      <ol class="history">
        ${history.map(
          (event) =>
            html`<li>
              <time datetime=${new Date(1000 * event.t).toISOString()}>${clock(event.t)}</time> ${event.words}
            </li>`,
        )}
      </ol>
    </section>
    ${
      files.length > 0 &&
      html`<section>
        <h3>Files</h3>
        <ul>
          ${files.map(
            (file) =>
              html`<li>
                <a
                  href=${`${runPath(run)}/files/${file.path.split("/").map(encodeURIComponent).join("/")}`}
                  download
                >
                  ${file.name}</a
                >${" "} <span class="soft">${file.what}, ${bytes(file.bytes)}</span>
              </li>`,
          )}
        </ul>
      </section>`
    }
    ${neighbours && html`<${Neighbours} neighbours=${neighbours} open=${open} />`}
    <section>
      <h3>Repeat it alone</h3>
      <p class="soft">The same numbers to the bit, on this version.</p>
      <${Command} text=${command} />
      <p>
        <a
          href=${address(
            run,
            "whatif",
            Object.fromEntries(
              inputs.filter((input) => input.campaign).map((input) => [input.name, input.value]),
            ),
          )}
          >What the model says here</a
        >
      </p>
    </section>`;
}

function span(ends) {
  if (!ends) return "–";
  const [low, high] = ends;
  if (low === high) return number(low, 4);
  return `${low === null ? "" : number(low, 4)} to ${high === null ? "" : number(high, 4)}`;
}

function Neighbours({ neighbours, open }) {
  const words = Object.entries(neighbours.states)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
  return html`<section>
    <h3>Nearest simulations</h3>
    <p class="soft">${words}.</p>
    <ul class="chips">
      ${neighbours.nearest.map(
        (near) =>
          html`<li key=${near.simulation}>
            <button
              type="button"
              class="chip"
              title=${`distance ${number(near.distance)}, where each range is 1 long`}
              onClick=${() => open(near.simulation)}
            >
              <${State} state=${near.state} /> ${near.simulation}
            </button>
          </li>`,
      )}
    </ul>
  </section>`;
}
