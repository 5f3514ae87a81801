// What runs now: task, worker, time so far.
import { html, useState } from "../../lib/preact.js";
import { act, counted, now, Panel, roughly, useTick } from "../../ui.js";

const SHOWN = 12;

export function Running({ run, running, readOnly, choose }) {
  useTick(1000);
  const [all, setAll] = useState(false);
  if (!running.length) return null;
  const longest = [...running].sort((a, b) => (a.since ?? Infinity) - (b.since ?? Infinity));
  const shown = all ? longest : longest.slice(0, SHOWN);
  return html`<${Panel}
    title="Running now"
    summary=${`${counted(running.length, "task")}, the longest first.`}
  >
    <ul class="running-now">
      ${shown.map(
        ({ task, worker, since }) =>
          html`<li key=${task}>
            <button type="button" class="plain task" onClick=${() => choose(task)}>Task ${task}</button>
            <span class="soft wrap">${worker}</span>
            <span class="time">${since ? roughly(Math.max(1, now() - since)) : "starting"}</span>
            ${
              !readOnly &&
              html`<button
                type="button"
                class="small"
                aria-label=${`Stop task ${task}`}
                onClick=${() => act(run, "kill", { tasks: [task] })}
              >
                Stop
              </button>`
            }
          </li>`,
      )}
    </ul>
    ${
      running.length > SHOWN &&
      html`<button type="button" class="small" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>
        ${all ? "Show fewer" : `Show ${running.length - SHOWN} more`}
      </button>`
    }
  <//>`;
}
