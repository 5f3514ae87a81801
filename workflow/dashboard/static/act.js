// Asking a run to do something: what it will mean, the confirmation, and the request.
import { html, render, useEffect, useRef, useState } from "./lib/preact.js";
import { api, post, runPath } from "./api.js";
import { remember } from "./asked.js";
import { counted, sentence } from "./format.js";
import { prose } from "./prose.js";

/** How a verb is asked for, and what its dialog still asks. */
const VERBS = {
  pause: { title: "Pause the run", button: "Pause" },
  resume: { title: "Go on with the run", button: "Resume" },
  stop: { title: "Stop the run", button: "Stop", danger: true, fields: { now: false } },
  budget: { title: "Change the budget", button: "Change budget", fields: { simulations: null } },
  kill: { title: "Stop running tasks", button: "Stop them", danger: true },
  retry: { title: "Try failed simulations again", button: "Try again" },
  promote: { title: "Use another model", button: "Use this model" },
  simulate: { title: "Simulate this point", button: "Simulate" },
};
const TYPING = 250; // ms to wait for more keys before the consequence is asked for again

/**
 * Asks the user to confirm an action, saying what it will do, and asks the run to do it.
 * @param {string} run its name
 * @param {string} verb pause, resume, stop, budget, kill, retry, promote or simulate
 * @param {object} [given] its arguments; the dialog asks for what a stop or a budget still needs
 * @returns {Promise<boolean>} whether it was asked for
 */
export function act(run, verb, given = {}) {
  const place = document.createElement("dialog");
  place.className = "confirm";
  place.setAttribute("aria-labelledby", "confirm-title");
  document.body.append(place);
  return new Promise((resolve) => {
    let asked = false;
    const close = (answer) => {
      asked = answer;
      place.close();
    };
    place.addEventListener("close", () => {
      render(null, place);
      place.remove();
      resolve(asked);
    });
    render(html`<${Confirm} run=${run} verb=${verb} given=${given} close=${close} />`, place);
    place.showModal();
  });
}

/** What an action would do now: {words, possible, why_not}. */
export function consequence(run, verb, given) {
  const query = new URLSearchParams({ verb, arguments: JSON.stringify(given) });
  return api(`${runPath(run, "consequence")}?${query}`);
}

function Confirm({ run, verb, given, close }) {
  const { title, button, danger, fields = {} } = VERBS[verb];
  const [chosen, setChosen] = useState({ ...fields, ...given });
  const complete = Object.values(chosen).every((value) => value !== null);
  const [meaning, trouble] = useMeaning(run, verb, chosen, complete);
  const [refused, setRefused] = useState(null);
  const [busy, setBusy] = useState(false);
  const change = (name, value) => setChosen((before) => ({ ...before, [name]: value }));
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { asked, kept } = await post(runPath(run, "actions"), { verb, arguments: chosen });
      remember(asked, run, title, kept);
      close(true);
    } catch (error) {
      setRefused(error);
      setBusy(false);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="confirm-title">${title}</h2>
    <p class="soft run-name">${run}</p>
    ${"simulations" in fields && html`<${Budget} run=${run} value=${chosen.simulations} change=${change} />`}
    ${"now" in fields && html`<${Now} value=${chosen.now} change=${change} />`}
    <div class="meaning" aria-live="polite">
      <${Meaning} of=${meaning} trouble=${refused ?? trouble} complete=${complete} />
    </div>
    <div class="buttons">
      <button type="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy || !meaning?.possible}>
        ${busy ? "Asking" : button}
      </button>
    </div>
  </form>`;
}

/** What the action would do, asked for again whenever its arguments change: [meaning, trouble]. */
function useMeaning(run, verb, chosen, complete) {
  const [state, setState] = useState([null, null]);
  const first = useRef(true);
  useEffect(() => {
    setState([null, null]);
    if (!complete) return;
    let over = false;
    const ask = () =>
      consequence(run, verb, chosen).then(
        (meaning) => over || setState([meaning, null]),
        (error) => over || setState([null, error]),
      );
    const timer = setTimeout(ask, first.current ? 0 : TYPING);
    first.current = false;
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [JSON.stringify(chosen)]);
  return state;
}

function Meaning({ of, trouble, complete }) {
  if (trouble) return html`<p class="bad">${prose(`${sentence(trouble.words)} ${sentence(trouble.do)}`)}</p>`;
  if (of) return html`<p>${prose(sentence(of.possible ? of.words : of.why_not))}</p>`;
  return html`<p class="soft">${complete ? "Looking at what this means" : "Say how many."}</p>`;
}

function Now({ value, change }) {
  return html`<label class="check">
    <input type="checkbox" checked=${value} onChange=${({ target }) => change("now", target.checked)} />
    At once: do not wait for the tasks that are running
  </label>`;
}

/** The number comes with what it is now: one that came later would mix with what is being typed. */
function Budget({ run, value, change }) {
  const [now, setNow] = useState(undefined); // null: nobody knows, and it has to be typed
  const field = useRef(null);
  useEffect(() => {
    api(runPath(run, "snapshot")).then(({ summary }) => {
      const { total } = summary.status.simulations;
      change("simulations", total);
      setNow(total);
    }, () => setNow(null));
  }, []);
  useEffect(() => {
    field.current?.focus();
    field.current?.select(); // in Chromium it would focus by itself
  }, [now]);
  const typed = ({ target: { value: text } }) =>
    change("simulations", text === "" ? null : Math.round(Number(text)));
  if (now === undefined) return null;
  return html`<label class="field">
    Simulations in all
    <input type="number" min="1" step="1" required ref=${field} value=${value ?? ""} onInput=${typed} />
    <span class="soft">${now !== null && `now ${counted(now, "simulation")}`}</span>
  </label>`;
}
