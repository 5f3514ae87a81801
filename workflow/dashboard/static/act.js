// Asking a run to do something: what it will mean, the confirmation, the request, and its outcome.
import { html, render, useEffect, useRef, useState } from "./lib/preact.js";
import { api, post, runPath } from "./api.js";
import { counted, number } from "./format.js";
import { toast } from "./toast.js";

/** How a verb is asked for, confirmed and spoken of. */
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
  const { title, button, danger, fields = {} } = VERBS[verb] ?? { title: verb, button: verb };
  const [chosen, setChosen] = useState({ ...fields, ...given });
  const [meaning, setMeaning] = useState(null);
  const [trouble, setTrouble] = useState(null);
  const [busy, setBusy] = useState(false);
  const first = useRef(true);
  const complete = Object.values(chosen).every((value) => value !== null && value !== "");

  useEffect(() => {
    if (!complete) return setMeaning(null);
    let late = false;
    const timer = setTimeout(
      async () => {
        try {
          const answer = await consequence(run, verb, chosen);
          if (!late) (setMeaning(answer), setTrouble(null));
        } catch (error) {
          if (!late) (setMeaning(null), setTrouble(error));
        }
      },
      first.current ? 0 : TYPING,
    );
    first.current = false;
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [JSON.stringify(chosen)]);

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { asked } = await post(runPath(run, "actions"), { verb, arguments: chosen });
      pending.set(asked, { run, title });
      toast(`Asked: ${title.toLowerCase()}. The run answers within a second or two.`);
      close(true);
    } catch (error) {
      setBusy(false);
      setTrouble(error);
    }
  };

  const change = (name, value) => {
    setMeaning(null);
    setChosen({ ...chosen, [name]: value });
  };
  return html`<form method="dialog" onSubmit=${submit}>
    <h2 id="confirm-title">${title}</h2>
    <p class="soft run-name">${run}</p>
    ${
      "simulations" in fields &&
      html`<${Budget} run=${run} value=${chosen.simulations}
      change=${(value) => change("simulations", value)} />`
    }
    ${
      "now" in fields &&
      html`<label class="check"><input type="checkbox" checked=${chosen.now}
      onChange=${(event) => change("now", event.target.checked)} />
      Stop at once: do not wait for the tasks that are running</label>`
    }
    <div class="meaning" aria-live="polite">
      ${
        trouble
          ? html`<p class="bad">${trouble.words} ${trouble.do}</p>`
          : meaning
            ? html`<p>${meaning.possible ? sentence(meaning.words) : sentence(meaning.why_not)}</p>`
            : html`<p class="soft">${complete ? "Looking at what this means" : "Say how many."}</p>`
      }
    </div>
    <div class="buttons">
      <button type="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class=${danger ? "danger" : "primary"}
        disabled=${busy || !meaning?.possible}>${busy ? "Asking" : button}</button>
    </div>
  </form>`;
}

function Budget({ run, value, change }) {
  const [now, setNow] = useState(null);
  useEffect(() => {
    api(runPath(run)).then(
      ({ budget }) => {
        const simulations = typeof budget === "number" ? budget : budget?.simulations;
        setNow(simulations ?? null);
        change(simulations ?? null);
      },
      () => {},
    );
  }, []);
  return html`<label class="field">Simulations in all
    <input type="number" min="1" step="1" required value=${value ?? ""} autofocus
      onInput=${({ target }) => change(target.value === "" ? null : Math.round(Number(target.value)))} />
    <span class="soft">${now ? `now ${counted(now, "simulation")}` : ""}</span></label>`;
}

const sentence = (words) =>
  words ? `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}` : "";

const pending = new Map(); // id of a request -> {run, title}

/**
 * Says what became of the requests of this tab.
 * @param {string} run
 * @param {object[]} actions the last actions of the run, as its live summary has them
 */
export function outcomes(run, actions = []) {
  for (const action of actions) {
    const request = pending.get(action.request);
    if (request?.run !== run) continue;
    pending.delete(action.request);
    const done = action.outcome === "done";
    toast(
      `${request.title}: ${done ? "done" : "refused"}. ${sentence(action.words)}`,
      done ? "good" : "bad",
    );
  }
}

/** An action in a few words: "budget to 500 simulations". */
export function actionWords({ verb, arguments: given = {} }) {
  if (verb === "budget") return `budget to ${counted(given.simulations, "simulation")}`;
  if (verb === "stop") return given.now ? "stop at once" : "stop";
  if (verb === "promote") return `use model v${given.model}`;
  if (verb === "kill") return `stop task ${listed(given.tasks)}`;
  if (verb === "retry")
    return given.reason
      ? `retry what failed with "${given.reason}"`
      : `retry ${counted(given.simulations?.length ?? 0, "simulation")}`;
  if (verb === "simulate")
    return `simulate ${Object.entries(given.inputs ?? {})
      .map(([name, value]) => `${name} ${typeof value === "number" ? number(value, 4) : value}`)
      .join(", ")}`;
  return verb;
}

const listed = (items = []) =>
  items.slice(0, 5).join(", ") + (items.length > 5 ? ` and ${items.length - 5} more` : "");
