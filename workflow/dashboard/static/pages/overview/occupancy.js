// How many tasks ran at each time.

const BINS = 240;
const RUNNING = 1;

/**
 * Mean number of running tasks in stretches of time of equal width.
 * @param {{n, state, start, length}} tasks of the live state
 * @param {number} now seconds since the origin, where tasks that run end for now
 * @returns {{mean: Float64Array, width: number, span: number}} width and span in seconds
 */
export function occupancy({ n, state, start, length }, now) {
  let span = 0;
  for (let k = 0; k < n; k++) {
    const end = start[k] + length[k];
    if (end > span) span = end;
    else if (state[k] === RUNNING && now > span && start[k] <= now) span = now;
  }
  if (!(span > 0)) return { mean: new Float64Array(0), width: 0, span: 0 };
  const width = span / BINS;
  // A task adds a part of itself to the bin where it starts, all to those that follow, until it ends.
  const step = new Float64Array(BINS + 2);
  const part = new Float64Array(BINS + 2);
  const add = (time, sign) => {
    const at = Math.min(BINS, Math.max(0, time / width));
    const bin = Math.floor(at);
    part[bin] += sign * (bin + 1 - at);
    step[bin + 1] += sign;
  };
  for (let k = 0; k < n; k++) {
    const end = state[k] === RUNNING ? span : start[k] + length[k];
    if (!(end > start[k])) continue;
    add(start[k], 1);
    add(end, -1);
  }
  const mean = new Float64Array(BINS);
  let running = 0;
  for (let k = 0; k < BINS; k++) {
    running += step[k];
    mean[k] = Math.max(0, running + part[k]);
  }
  return { mean, width, span };
}
