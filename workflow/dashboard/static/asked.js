// What was asked of a run: in words, and what became of it.
import { counted, number, sentence, version } from "./format.js";
import { toast } from "./toast.js";

const pending = new Map(); // id of a request of this tab -> {run, title}

/** Remembers a request, whose outcome `outcomes` will tell; one may be kept until the run is resumed. */
export function remember(id, run, title, kept) {
  pending.set(id, { run, title });
  const when = kept ? "Nobody works on the run: it is kept until it is resumed."
    : "The run answers within a second or two.";
  toast(`Asked: ${title.toLowerCase()}. ${when}`);
}

/**
 * Tells what became of the requests of this tab.
 * @param {string} run
 * @param {object[]} [actions] the last actions of the run, as its live summary has them
 */
export function outcomes(run, actions = []) {
  for (const { request, outcome, words } of actions) {
    const asked = pending.get(request);
    if (asked?.run !== run) continue;
    pending.delete(request);
    const done = outcome === "done";
    toast(`${asked.title}: ${done ? "done" : "refused"}. ${sentence(words)}`, done ? "good" : "bad");
  }
}

const WORDS = {
  budget: ({ simulations }) => `change the budget to ${counted(simulations, "simulation")}`,
  stop: ({ now }) => (now ? "stop at once" : "stop"),
  promote: ({ model }) => `use model ${version(model)}`,
  kill: ({ tasks = [] }) => `stop ${tasks.length === 1 ? "task" : "tasks"} ${listed(tasks)}`,
  retry: ({ reason, simulations = [] }) =>
    reason ? `retry what failed by "${reason}"` : `retry ${counted(simulations.length, "simulation")}`,
  simulate: ({ inputs = {} }) => `simulate ${listed(Object.entries(inputs).map(point), 12)}`,
};

/** An action in a few words: "change the budget to 500 simulations". */
export function actionWords({ verb, arguments: given = {} }) {
  return WORDS[verb]?.(given) ?? verb;
}

const point = ([name, value]) => `${name} ${typeof value === "number" ? number(value, 4) : value}`;

function listed(items, most = 5) {
  const more = items.length - most;
  return items.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
