// Which worker has which lane, and where lanes, strips and axis lie on the canvas.

const TRAINING = 24;
const STRIP = 72;
const GAP = 12;
const AXIS = 40;
const LANE = 18; // the height that a lane has where there is room
const MOST = 640; // that all lanes share where there is none
const NARROW = 640;

const natural = new Intl.Collator("en", { numeric: true });

/**
 * Lanes by name, so that worker-2 stands before worker-10: `order[lane]` is the worker, `lane[worker]` its
 * lane.
 * @param {string[]} workers
 */
export function lanesOf(workers) {
  const order = workers.map((_, k) => k).sort((a, b) => natural.compare(workers[a], workers[b]));
  const lane = new Int32Array(workers.length);
  order.forEach((worker, k) => (lane[worker] = k));
  return { order, lane };
}

/**
 * Where everything lies, in CSS pixels.
 * @param {number} width of the canvas
 * @param {number} lanes how many
 * @param {boolean} training whether there is a lane of trainings
 */
export function layout(width, lanes, training) {
  const left = width < NARROW ? 72 : 112;
  const right = width - (width < NARROW ? 8 : 16);
  const top = training ? TRAINING + 8 : 0;
  const height = Math.min(lanes * LANE, MOST);
  const running = top + height + GAP + 16;
  const spent = running + STRIP + GAP + 16;
  return {
    left,
    right,
    width,
    columns: Math.max(1, Math.round(right - left)),
    training: { y: 0, height: training ? TRAINING : 0 },
    lanes: { y: top, height, each: lanes ? height / lanes : 0 },
    running: { y: running, height: STRIP },
    spent: { y: spent, height: STRIP },
    axis: spent + STRIP,
    height: spent + STRIP + AXIS,
  };
}
