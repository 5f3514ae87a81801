// Numbers, times and units as people read them.

const THIN = "\u2009";
const MINUS = "\u2212";

/**
 * A number to so many significant digits: "0.0123", "12,300", "1.2×10⁻⁷"; "–" where there is none.
 * @param {number|null|undefined} value
 * @param {number} [digits]
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return minus(value.toLocaleString("en"));
  if (size < 1e-4 || size >= 1e7) return power(value, digits);
  const shown = Number(value.toPrecision(digits));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(shown))));
  return minus(shown.toLocaleString("en", { maximumFractionDigits: Math.min(20, decimals) }));
}

function power(value, digits) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const raised = [...String(Number(exponent))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
  return `${minus(String(Number(mantissa)))}×10${raised}`;
}

const minus = (text) => text.replace("-", MINUS);

/** A mean with its error, to two digits of the error: "3.214 ± 0.012". */
export function plusMinus(mean, error) {
  if (mean === null || mean === undefined) return "–";
  if (!(error > 0)) return number(mean, 4);
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(error)));
  if (decimals > 6 || Math.abs(mean) >= 1e6) return `${number(mean, 4)} ± ${number(error, 2)}`;
  const fixed = (value) =>
    minus(value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));
  return `${fixed(mean)} ± ${fixed(error)}`;
}

/** A share of one as "4.2 %". */
export function percent(value, digits = 2) {
  return value === null || value === undefined ? "–" : `${number(100 * value, digits)}${THIN}%`;
}

/** A factor as "38×". */
export function factor(value) {
  return value === null || value === undefined ? "–" : `${number(value)}×`;
}

/**
 * Seconds as people say them: "3.2 µs", "12.3 s", "4 min 10 s", "2 h 11 min", "3 d 4 h".
 * @param {number|null|undefined} value
 */
export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value < 0) return `${MINUS}${seconds(-value)}`;
  if (value === 0) return "0 s";
  if (value < 1e-3) return `${number(value * 1e6)} µs`;
  if (value < 1) return `${number(value * 1e3)} ms`;
  if (value < 99.5) return `${number(value)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)} min${some(whole % 60, "s")}`;
  const minutes = Math.round(value / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h${some(minutes % 60, "min")}`;
  const hours = Math.round(value / 3600);
  return `${Math.floor(hours / 24)} d${some(hours % 24, "h")}`;
}

const some = (rest, name) => (rest ? ` ${rest} ${name}` : "");

const UNITS = [
  [2 * 86400, 86400, "d", "days"],
  [2 * 3600, 3600, "h", "hours"],
  [180, 60, "min", "minutes"],
  [0, 1, "s", "seconds"],
];

/** The unit that an axis of so many seconds is told in: {seconds, unit, name ("hours")}. */
export function timeUnit(span) {
  const [, length, unit, name] = UNITS.find(([from]) => span >= from) ?? UNITS.at(-1);
  return { seconds: length, unit, name };
}

/** Seconds in whole words, for what counts up or down: "now", "8 s", "4 min", "2 h 11 min". */
export function roughly(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1) return "less than 1 s";
  if (value < 99.5) return `${Math.round(value)} s`;
  return value < 3600 ? `${Math.round(value / 60)} min` : seconds(value);
}

let skew = 0;

/** Seconds since 1970 by the server's clock, which runs' times are told by; this machine's may differ. */
export function now() {
  return Date.now() / 1000 + skew;
}

/** Takes the server's time (ms since 1970, in whole seconds) from one of its answers. */
export function setClock(time) {
  const apart = (time - Date.now()) / 1000;
  skew = Math.abs(apart) > 2 ? apart : 0;
}

/**
 * How long ago a moment was.
 * @param {number|null|undefined} epoch seconds since 1970
 */
export function ago(epoch) {
  if (!Number.isFinite(epoch ?? NaN)) return "–";
  const age = now() - epoch;
  return age < 1.5 ? "just now" : `${roughly(age)} ago`;
}

/** A time of day, with its date if it is not today's. */
export function clock(epoch) {
  const date = new Date(1000 * epoch);
  const time = date.toLocaleTimeString("en-GB");
  return date.toDateString() === new Date().toDateString()
    ? time
    : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}

/** A name as words: "contact density". */
export function spaced(name) {
  return name.replaceAll("_", " ");
}

/** A name with its unit, for heads of tables and in sentences: "gap (nm)"; without one it stays alone. */
export function unit(name, unitOf) {
  return unitOf && unitOf !== "1" ? `${name} (${unitOf})` : name;
}

/** A quantity of the campaign on an axis or at a control: "gap (nm)", "valency (no unit)". */
export function quantity(name, unitOf) {
  return `${spaced(name)} (${unitOf && unitOf !== "1" ? unitOf : "no unit"})`;
}

/** A version of the model as its folder is called: "v0002". */
export function version(number) {
  return `v${String(number).padStart(4, "0")}`;
}

/** "1 worker", "2 workers". */
export function counted(count, name) {
  return `${number(count)} ${name}${count === 1 ? "" : "s"}`;
}

/** Bytes as "1.2 MB". */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const names = ["B", "kB", "MB", "GB", "TB"];
  const k = Math.min(names.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  return `${number(value / 1000 ** k)} ${names[k]}`;
}

/** Words as a sentence. What is written with digits or signs in it, such as "v0002", stays as it is. */
export function sentence(words) {
  if (!words) return "";
  const begun = /^[a-z]+(?![\w=/]|\.\w)/.test(words) && !words.startsWith("mlaround ");
  return `${begun ? words[0].toUpperCase() : words[0]}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
