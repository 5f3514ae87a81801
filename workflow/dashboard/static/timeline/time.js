// The time axis: which part of the run is seen, and its ticks.
import { timeUnit } from "../ui.js";

const SHORTEST = 0.1; // seconds that a view spans at least
const ROOM = 0.02; // of the run, after its end

/**
 * Ticks at round numbers: [{at (s), text}].
 * @param {{from: number, to: number}} view seconds since the start
 * @param {number} most how many there may be
 */
export function ticks({ from, to }, most) {
  const { seconds } = timeUnit(to - from);
  const rough = (to - from) / seconds / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = seconds === 1 ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const step = nice.find((k) => k * power >= rough - 1e-12) * power;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0));
  const found = [];
  for (let k = Math.ceil(from / seconds / step - 1e-9); k * step * seconds <= to + 1e-9; k++) {
    const value = k * step || 0; // no minus before a zero
    const text = value.toLocaleString("en", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    found.push({ at: value * seconds, text });
  }
  return found;
}

/** The whole run: its end is rounded up, so that the picture need not be moved with every task. */
export function whole(end) {
  const span = Math.max(end, 1);
  const step = 10 ** Math.floor(Math.log10(span)) / 20;
  return { from: 0, to: Math.ceil((span * (1 + ROOM)) / step) * step };
}

/** A view that lies within the run. */
export function within({ from, to }, end) {
  const all = whole(end);
  const span = Math.min(Math.max(to - from, SHORTEST), all.to);
  const start = Math.min(Math.max(from, 0), all.to - span);
  return { from: start, to: start + span };
}

/** The view that is so many times as near, around a time. */
export function zoomed({ from, to }, times, around, end) {
  return within({ from: around - (around - from) / times, to: around + (to - around) / times }, end);
}

/** The newest part of the run, of the same length; it moves in steps of a fiftieth. */
export function newest({ from, to }, end) {
  const span = to - from;
  const step = span / 50;
  const last = Math.ceil((end + step) / step) * step;
  return within({ from: last - span, to: last }, end);
}
