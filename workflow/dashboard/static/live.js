// The live state of runs: a snapshot, then the changes as they come, in arrays that grow in place.
import { api, ApiError, runPath } from "./api.js";
import { Stream } from "./stream.js";

/** How often a tab tells the worker that it is still there (ms). */
const BEAT = 20000;
/** A worker that does not speak within this time never will (ms). */
const HELLO = 3000;
const RETRY = [500, 5000];

const followed = new Map(); // run -> Followed
let link = null;

/**
 * Follows a run.
 *
 * The live state is a new object at each update: {seq, updated (ms, performance.now of the last message),
 * heard (ms, of the last sign of life), eventTime (s since 1970), origin, workers, summary, tasks: {n,
 * state: Uint8Array, worker: Int16Array, start: Float64Array (s since origin, NaN unknown), length:
 * Float64Array}, connection: "live" | "polling" | "lost", refused (the token is not right), error (ApiError
 * of the snapshot, or null)}. The arrays are longer than `tasks.n` and are written in place. `seq` is -1
 * before the first snapshot. Updates wait while the tab is hidden.
 * @param {string} run its name
 * @param {(live: object) => void} callback takes the live state, at most once a frame
 * @returns {() => void} ends it
 */
export function follow(run, callback) {
  let one = followed.get(run);
  if (!one) followed.set(run, (one = new Followed(run)));
  one.callbacks.add(callback);
  if (one.state.seq >= 0) callback(one.state);
  return () => {
    one.callbacks.delete(callback);
    if (one.callbacks.size || followed.get(run) !== one) return;
    followed.delete(run);
    one.end();
  };
}

class Followed {
  constructor(run) {
    this.run = run;
    this.callbacks = new Set();
    this.waiting = []; // messages that came while a snapshot was under way
    this.loading = false;
    this.gaps = 0;
    this.frame = 0;
    this.ended = false;
    this.state = {
      seq: -1,
      updated: performance.now(),
      heard: performance.now(),
      eventTime: null,
      origin: 0,
      workers: [],
      summary: {},
      tasks: emptyTasks(),
      connection: "lost",
      refused: false,
      error: null,
    };
    link ??= connect();
    this.load();
  }

  async load(wait = RETRY[0]) {
    if (this.loading || this.ended) return;
    this.loading = true;
    let snapshot = null;
    try {
      snapshot = await api(runPath(this.run, "snapshot"));
    } catch (error) {
      if (this.ended) return;
      this.set({
        error: error instanceof ApiError ? error : new ApiError(0, String(error)),
        refused: error.status === 401,
      });
      setTimeout(() => this.load(Math.min(2 * wait, RETRY[1])), wait);
    }
    this.loading = false;
    if (!snapshot || this.ended) return;
    this.set({
      seq: snapshot.seq,
      origin: snapshot.origin ?? 0,
      workers: snapshot.workers,
      summary: snapshot.summary,
      tasks: readTasks(snapshot.tasks),
      eventTime: snapshot.t ?? null,
      error: null,
      refused: false,
      updated: performance.now(),
      heard: performance.now(),
      ...link.connection(),
    });
    this.gaps = 0;
    link.follow(this.run, snapshot.seq);
    for (const message of this.waiting.splice(0)) this.take(message);
  }

  /** Takes in a message of the stream. */
  take(message) {
    if (this.loading) return void this.waiting.push(message);
    if (this.state.seq < 0) return; // the snapshot failed and will be asked for again
    if (message.resync || message.missing) return void this.load();
    if (message.to <= this.state.seq) return;
    if (message.from > this.state.seq) {
      this.gaps += 1;
      if (this.gaps > 2) this.load();
      else link.follow(this.run, this.state.seq);
      return;
    }
    this.gaps = 0;
    this.set({
      seq: message.to,
      eventTime: message.t ?? this.state.eventTime,
      updated: performance.now(),
      heard: performance.now(),
      workers: message.workers ?? this.state.workers,
      summary: { ...this.state.summary, ...message.summary },
      tasks: message.tasks ? changeTasks(this.state.tasks, message.tasks) : this.state.tasks,
    });
  }

  set(changes) {
    this.state = { ...this.state, ...changes };
    // Frames are not drawn while a tab is hidden: it catches up with one when it is shown.
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      for (const callback of [...this.callbacks]) callback(this.state);
    });
  }

  end() {
    this.ended = true;
    cancelAnimationFrame(this.frame);
    link.leave(this.run);
  }
}

// The link to the stream: in the shared worker, else in this page.

function receive(message) {
  if (message.forgotten) return rejoin();
  if (message.run !== undefined) return followed.get(message.run)?.take(message);
  if (message.heard) for (const one of followed.values()) one.state.heard = performance.now();
  if (message.connection) {
    for (const one of followed.values())
      one.set({ connection: message.connection, refused: message.refused });
  }
}

function rejoin() {
  for (const one of followed.values()) if (one.state.seq >= 0) link.follow(one.run, one.state.seq);
}

function connect() {
  try {
    return shared();
  } catch {
    return direct();
  }
}

function direct() {
  const stream = new Stream(document.baseURI.split("#")[0], receive);
  return {
    follow: (run, seq) => stream.follow(run, seq),
    leave: (run) => stream.leave(run),
    connection: () => stream.connection,
  };
}

function shared() {
  const worker = new SharedWorker(new URL("events-worker.js", import.meta.url), { type: "module" });
  const send = (message) => worker.port.postMessage(message);
  let connection = null;
  const instead = () => {
    if (connection) return;
    worker.port.onmessage = null;
    clearInterval(beat);
    link = direct();
    rejoin();
  };
  worker.port.onmessage = ({ data }) => {
    if (data.connection) connection = data;
    receive(data);
  };
  worker.onerror = instead;
  setTimeout(instead, HELLO);
  const beat = setInterval(() => send({}), BEAT);
  addEventListener("pagehide", () => send({ bye: true }));
  addEventListener("pageshow", (event) => event.persisted && rejoin());
  return {
    follow: (run, seq) => send({ follow: run, seq }),
    leave: (run) => send({ leave: run }),
    connection: () => connection ?? {},
  };
}

// Tasks as columns.

function emptyTasks(capacity = 256) {
  return {
    n: 0,
    state: new Uint8Array(capacity),
    worker: new Int16Array(capacity).fill(-1),
    start: new Float64Array(capacity).fill(NaN),
    length: new Float64Array(capacity).fill(NaN),
  };
}

function readTasks({ state, worker, start, length }) {
  const tasks = emptyTasks(Math.max(256, 2 * state.length));
  tasks.n = state.length;
  let sum = 0;
  for (let k = 0; k < tasks.n; k++) {
    tasks.state[k] = state.charCodeAt(k) - 48;
    tasks.worker[k] = worker[k];
    sum += start[k];
    tasks.start[k] = sum < 0 ? NaN : sum / 100;
    tasks.length[k] = length[k] < 0 ? NaN : length[k] / 100;
  }
  return tasks;
}

function changeTasks(tasks, { id, state, worker, start, length }) {
  let n = tasks.n;
  for (const task of id) n = Math.max(n, task + 1);
  const grown = n > tasks.state.length ? grow(tasks, n) : tasks;
  for (let k = 0; k < id.length; k++) {
    const task = id[k];
    grown.state[task] = state[k];
    grown.worker[task] = worker[k];
    grown.start[task] = start[k] < 0 ? NaN : start[k] / 100;
    grown.length[task] = length[k] < 0 ? NaN : length[k] / 100;
  }
  return { ...grown, n };
}

function grow(tasks, n) {
  const larger = emptyTasks(2 * n);
  for (const name of ["state", "worker", "start", "length"]) larger[name].set(tasks[name]);
  return larger;
}
