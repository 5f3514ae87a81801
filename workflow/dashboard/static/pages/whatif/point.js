// The point that is asked about: from the address and back, and how far a slider reaches.
import { version } from "../../ui.js";

/** Share of the range that a slider goes on beyond either end, so that the edge can be crossed. */
const BEYOND = 0.1;
/** Steps of a slider from one end of the range to the other, about. */
const STEPS = 100;

/** Names that mean something else in an address; an input of such a name stands there as input.NAME. */
const TAKEN = ["version", "shape", "simulated"];
const key = (name) => (TAKEN.includes(name) || /^(spread|input)\./.test(name) ? `input.${name}` : name);

export const varied = (about) => about.inputs.filter((input) => input.low < input.high);
export const constants = (about) => about.inputs.filter((input) => !(input.low < input.high));
export const isContinuous = (input) => input.low < input.high && !input.choices?.length;

/** The middle of the campaign's space. */
export function centre(about) {
  const middle = (input) => {
    const choices = input.choices ?? [];
    if (choices.length) return choices[Math.floor((choices.length - 1) / 2)];
    const { decimals } = track(input);
    return Number(((input.low + input.high) / 2).toFixed(decimals));
  };
  return Object.fromEntries(varied(about).map((input) => [input.name, middle(input)]));
}

/**
 * What the address asks: {inputs, version, uncertain, spread, shape, simulated}. Inputs that it does not
 * name are in the middle; what is no number ("3.2 nm") is kept as text, for the server to read.
 */
export function readPoint(about, query) {
  const inputs = centre(about);
  const spread = {};
  for (const { name } of varied(about)) {
    if (query.get(key(name))) inputs[name] = numberOr(query.get(key(name)));
    if (query.get(`spread.${name}`)) spread[name] = numberOr(query.get(`spread.${name}`));
  }
  const shape = query.get("shape") === "uniform" ? "uniform" : "gaussian";
  return {
    inputs, spread, shape,
    uncertain: Object.keys(spread).length > 0,
    version: /^v?\d+$/.test(query.get("version") ?? "")
      ? version(Number(query.get("version").replace("v", ""))) : query.get("version") ?? "",
    simulated: query.get("simulated") === "yes",
  };
}

/** The same as the pairs of an address, for the page's and for the server's. */
export function toQuery({ inputs, version, uncertain, spread, shape, simulated }) {
  const pairs = Object.entries(inputs).map(([name, value]) => [key(name), String(value)]);
  if (version) pairs.push(["version", version]);
  const given = uncertain ? Object.entries(spread).filter(([, width]) => width !== 0) : [];
  for (const [name, width] of given) pairs.push([`spread.${name}`, String(width)]);
  if (given.length) pairs.push(["shape", shape]);
  if (simulated) pairs.push(["simulated", "yes"]);
  return new URLSearchParams(pairs).toString();
}

/**
 * How a slider runs: {min, max, step, decimals}. Both ends of the range lie on its steps.
 * @param {{low: number, high: number}} input
 */
export function track({ low, high }) {
  const width = high - low;
  const power = 10 ** Math.floor(Math.log10(width / STEPS));
  const step = power * [1, 2, 5, 10].find((nice) => nice * power >= 0.999 * (width / STEPS));
  const decimals = Math.min(12, Math.max(places(step), places(low)));
  const steps = Math.ceil((BEYOND * width) / step);
  const tidy = (value) => Number(value.toFixed(decimals));
  // What cannot be negative within the range is not asked about below zero.
  const below = low >= 0 ? Math.min(steps, Math.floor(low / step + 1e-9)) : steps;
  return { min: tidy(low - below * step), max: tidy(high + steps * step), step: tidy(step), decimals };
}

/** Decimal places of a number. */
const places = (value) => {
  const [digits, exponent = 0] = String(Number(value.toPrecision(12))).split("e");
  return Math.max(0, (digits.split(".")[1]?.length ?? 0) - Number(exponent));
};

const numberOr = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
