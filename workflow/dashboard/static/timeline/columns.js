// What happened in each pixel column: how busy every lane was, and the time spent by stage.

const RUNNING = 1;
const FAILED = 4;
const RECOUNT = 5000; // ms after which all is counted anew: a task that was done may run again

/**
 * Busy time by lane and by stage in columns of equal width. Tasks that are over are added once; those that
 * run are added to a copy whenever the columns are asked for.
 */
export class Columns {
  constructor() {
    this.key = "";
  }

  /**
   * @param {{n, state, worker, start, length}} tasks of the live state
   * @param {Int32Array} lane of each worker
   * @param {{from: number, to: number}} view
   * @param {number} columns
   * @param {number} end where what runs ends for now (s)
   */
  update(tasks, lane, view, columns, end) {
    const now = performance.now();
    const key = [view.from, view.to, columns, lane.length].join();
    if (key !== this.key || tasks.state.buffer !== this.buffer || tasks.n < this.n || now > this.until) {
      this.key = key;
      this.until = now + RECOUNT;
      this.view = view;
      this.columns = columns;
      this.width = (view.to - view.from) / columns;
      this.lanes = lane.length;
      this.over = new Sums(this.lanes, columns);
      this.counted = new Uint8Array(tasks.state.length);
      this.open = 0;
      this.before = [0, 0];
      this.visible = 0;
    }
    this.buffer = tasks.state.buffer;
    this.n = tasks.n;
    this.lane = lane;
    this.addFinished(tasks);
    this.sums = this.over.copy();
    this.shown = this.visible;
    this.earlier = [...this.before];
    for (let k = this.open; k < tasks.n; k++) {
      if (tasks.state[k] !== RUNNING || !(tasks.start[k] < end)) continue;
      this.earlier[0] += Math.max(0, Math.min(end, view.from) - tasks.start[k]);
      if (this.add(this.sums, tasks.start[k], end, tasks.worker[k], 0)) this.shown += 1;
    }
    return this;
  }

  addFinished({ n, state, worker, start, length }) {
    const { counted } = this;
    let open = n;
    for (let k = this.open; k < n; k++) {
      if (counted[k]) continue;
      const over = state[k] > RUNNING;
      if (!over) {
        if (open === n) open = k;
        continue;
      }
      counted[k] = 1;
      const end = start[k] + length[k];
      if (!(end >= start[k])) continue;
      const failed = state[k] >= FAILED ? 1 : 0;
      if (start[k] < this.view.from) this.before[failed] += Math.min(end, this.view.from) - start[k];
      if (this.add(this.over, start[k], end, worker[k], failed, state[k] !== 2)) this.visible += 1;
    }
    this.open = open;
  }

  /** Adds a stretch of time; whether any of it is seen. */
  add(sums, start, end, worker, stage, marked = false) {
    const { from } = this.view;
    const a = Math.max(0, (start - from) / this.width);
    const b = Math.min(this.columns, (end - from) / this.width);
    if (b <= 0 || a >= this.columns || b < a) return false;
    const first = Math.min(this.columns - 1, Math.floor(a));
    const last = Math.min(this.columns - 1, Math.floor(b));
    const row = worker >= 0 ? this.lane[worker] * this.columns : -1;
    for (let column = first; column <= last; column++) {
      const share = Math.min(b, column + 1) - Math.max(a, column);
      sums.stages[stage][column] += share;
      if (row < 0) continue;
      sums.busy[row + column] += share;
      if (marked) sums.marked[row + column] += share;
    }
    return true;
  }
}

/** By lane and column: the busy share, and that of what went wrong; by stage and column: tasks at a time. */
class Sums {
  constructor(lanes, columns) {
    this.busy = new Float32Array(lanes * columns);
    this.marked = new Float32Array(lanes * columns);
    this.stages = [new Float64Array(columns), new Float64Array(columns)];
  }

  copy() {
    const copy = Object.create(Sums.prototype);
    copy.busy = this.busy.slice();
    copy.marked = this.marked;
    copy.stages = this.stages.map((stage) => stage.slice());
    return copy;
  }
}
