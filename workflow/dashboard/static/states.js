// The states of simulations, and how many are in each.
import { STATES } from "./theme.js";

const NAMES = ["done", "failed", "lost", "running", "waiting"];

/** State -> {name, symbol, ...} as tasks have them. */
export const OF_SIMULATIONS = Object.fromEntries(
  NAMES.map((name) => [name, STATES.find((state) => state.name === name)]),
);

/** How many simulations are in each state, and `unproposed`; they add up to the total of a status. */
export function counts({ done, failed, lost, running, proposed, total }) {
  const waiting = Math.max(0, proposed - done - failed - lost - running);
  return { done, failed, lost, running, waiting, unproposed: Math.max(0, total - proposed) };
}
