// What went wrong, in groups: why, how often, what they have in common, and what to do about it.
import { html, useState } from "../../lib/preact.js";
import { act, counted, number, Panel } from "../../ui.js";
import { Histogram } from "./histogram.js";

const SHOWN = 4;

export function Groups({ run, failures, chosen, choose, readOnly }) {
  const [all, setAll] = useState(false);
  const { failed, groups } = failures;
  if (!groups.length) return null;
  const shown = all ? groups : groups.slice(0, SHOWN);
  const summary =
    `${counted(failed, "simulation")} failed, in ${counted(groups.length, "group")}. ` +
    "No model learns from them.";
  return html`<${Panel} title="What went wrong" summary=${summary} className="failures">
    <ul class="failure-groups">
      ${shown.map(
        (group) =>
          html`<${Group}
            key=${group.key}
            run=${run}
            group=${group}
            chosen=${chosen === group.key}
            choose=${choose}
            readOnly=${readOnly}
          />`,
      )}
    </ul>
    ${
      groups.length > SHOWN &&
      html`<button type="button" class="small" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>
        ${all ? "Show fewer" : `Show ${groups.length - SHOWN} more groups`}
      </button>`
    }
  <//>`;
}

function Group({ run, group, chosen, choose, readOnly }) {
  const { key, reason, alone, message, count, simulations, words, common } = group;
  const said = message.startsWith(reason) ? message : `${reason}: ${message}`;
  // A reason that has several groups would try all of them again: these are named one by one.
  const retry = alone || count > simulations.length ? { reason } : { simulations };
  const label = alone || !retry.reason ? "Try them again" : "Try all of this reason again";
  return html`<li class=${chosen ? "chosen" : ""}>
    <p class="count"><span aria-hidden="true">✕</span> <b>${number(count)}</b></p>
    <div class="why">
      <h3>${reason}</h3>
      <p class="message">${said === `${reason}: ${reason}` ? reason : message}</p>
      <p><span class="soft">In common:</span> ${words}.</p>
      <div class="group-actions">
        <button
          type="button"
          class="small"
          aria-pressed=${String(chosen)}
          onClick=${() => choose(chosen ? null : key)}
        >
          ${chosen ? "Show all simulations" : "Show these"}
        </button>
        ${
          !readOnly &&
          html`<button type="button" class="small" onClick=${() => act(run, "retry", retry)}>
            ${label}
          </button>`
        }
      </div>
    </div>
    ${common && html`<${Histogram} common=${common} />`}
  </li>`;
}
