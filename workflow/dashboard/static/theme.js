// Colours: CSS variables for pages, their values for canvases, and the choice between light and dark.
import { useEffect, useState } from "./lib/preact.js";

/**
 * What became of a task, by its code. `colour` is the name of a CSS variable (`colours().states` has the
 * values); `hatch` is the pattern that says the same without colour: "", "/", "\\" or "x".
 */
export const STATES = [
  { name: "waiting", colour: "--state-waiting", hatch: "", symbol: "○" },
  { name: "running", colour: "--state-running", hatch: "", symbol: "▶" },
  { name: "done", colour: "--state-done", hatch: "", symbol: "✓" },
  { name: "done in part", colour: "--state-partly", hatch: "\\", symbol: "◐" },
  { name: "failed", colour: "--state-failed", hatch: "/", symbol: "✕" },
  { name: "lost", colour: "--state-lost", hatch: "x", symbol: "?" },
];

const NAMES = ["ink", "soft", "rule", "page", "panel", "link", "good", "bad", "warn"];
const listeners = new Set();
let known = null;

/** The theme's colours as a canvas takes them: ink, soft, ..., `series` (6) and `states` (as STATES). */
export function colours() {
  if (known) return known;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  // A variable may hold light-dark(...): only a real colour property gives what it comes to.
  const value = (variable) => {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  };
  known = Object.fromEntries(NAMES.map((name) => [name, value(`--${name}`)]));
  known.series = [1, 2, 3, 4, 5, 6].map((k) => value(`--s${k}`));
  known.states = STATES.map((state) => value(state.colour));
  probe.remove();
  return known;
}

/**
 * Calls back whenever the theme changes.
 * @param {() => void} callback
 * @returns {() => void} ends it
 */
export function onTheme(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

function changed() {
  known = null;
  for (const callback of [...listeners]) callback();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);

/** "light", "dark" or "system". */
export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Chooses the theme and remembers it; "system" forgets the choice. */
export function setTheme(name) {
  const root = document.documentElement;
  if (name === "system") delete root.dataset.theme;
  else root.dataset.theme = name;
  try {
    if (name === "system") localStorage.removeItem("mlaround.theme");
    else localStorage.setItem("mlaround.theme", name);
  } catch {
    // No storage: the choice lasts as long as the page.
  }
  changed();
}

/** Draws the component again when the theme changes; returns a number that changes with it. */
export function useTheme() {
  const [count, setCount] = useState(0);
  useEffect(() => onTheme(() => setCount((k) => k + 1)), []);
  return count;
}
