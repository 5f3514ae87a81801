// The menu of what can be done with a run, here and on the command line.
import { html, useRef, useState } from "./lib/preact.js";
import { act, consequence } from "./act.js";
import { quoted } from "./links.js";
import { Command } from "./ui.js";

const CHOICES = [
  ["pause", "Pause", "no new tasks; those that run are finished"],
  ["resume", "Resume", "go on after a pause"],
  ["budget", "Change the budget", "how many simulations in all"],
  ["stop", "Stop", "end the run in good order"],
];
/** States of a run that only the command line goes on from. */
export const ENDED = ["finished", "stopped", "interrupted", "failed"];

export function Actions({ run, about, status, paused }) {
  const button = useRef(null);
  const menu = useRef(null);
  const [possible, setPossible] = useState({});
  const shown = CHOICES.filter(([verb]) => (paused ? verb !== "pause" : verb !== "resume"));

  const opened = ({ newState }) => {
    if (newState !== "open") return;
    const at = button.current.getBoundingClientRect();
    menu.current.style.top = `${at.bottom + 4}px`;
    menu.current.style.right = `${Math.max(8, document.documentElement.clientWidth - at.right)}px`;
    setPossible({});
    if (about.read_only) return;
    for (const [verb] of shown) {
      if (verb === "budget") continue; // its consequence depends on the number, which its dialog asks for
      consequence(run, verb, {}).then(
        (answer) => setPossible((old) => ({ ...old, [verb]: answer })),
        () => {},
      );
    }
  };
  const choose = (verb) => {
    menu.current.hidePopover();
    act(run, verb).then(() => button.current?.focus());
  };
  return html`
    <button type="button" ref=${button} popovertarget="actions" class="actions-button">
      Actions <span aria-hidden="true">▾</span>
    </button>
    <div id="actions" popover="auto" ref=${menu} class="menu" onToggle=${opened}>
      ${about.read_only
        ? html`<p class="soft">Started with <code>--read-only</code>: it only shows.</p>`
        : html`<ul>${shown.map((choice) => item(choice, possible, choose))}</ul>`}
      <${Typed} folder=${quoted(about.folder)} ended=${ENDED.includes(status?.state)} />
    </div>`;
}

function item([verb, name, meaning], possible, choose) {
  const no = possible[verb]?.possible === false ? possible[verb].why_not : "";
  return html`<li key=${verb}>
    <button type="button" disabled=${Boolean(no)} onClick=${() => choose(verb)}>
      ${name}<small>${no || meaning}</small>
    </button>
  </li>`;
}

/** What can be typed instead, or besides. */
function Typed({ folder, ended }) {
  return html`<div class="commands">
    <p class="soft">On the command line</p>
    ${ended && html`<${Command} label="go on with it" text=${`mlaround resume ${folder}`} />`}
    <${Command} label="how it is" text=${`mlaround status ${folder}`} />
    <${Command} label="a page to keep" text=${`mlaround report ${folder}`} />
  </div>`;
}
