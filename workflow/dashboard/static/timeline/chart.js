// The timeline as a canvas: when it is drawn anew, and what the pointer and the keys do to it.
import { now, onTheme } from "../ui.js";
import { Columns } from "./columns.js";
import { lanesOf, layout } from "./lanes.js";
import { paint } from "./paint.js";
import { newest, whole, within, zoomed } from "./time.js";

const RUNNING = 1;
const REACH = 3; // px that a pointer may be beside a bar
const STEP = 1.5;
const MOVED = 4; // px after which a press is a drag
const TICK = 1000; // ms between two pictures while nothing happens but time

/**
 * @callback Hovered called with {task, x, y} of the task under the pointer or the keys, or null
 */
export class TimelineChart {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{hovered: Hovered, chosen: (task: number) => void, viewed: (mode: string) => void,
   *   painted: (how: string) => void}} calls `viewed` takes "all", "part" or "newest"
   */
  constructor(canvas, calls) {
    this.canvas = canvas;
    this.calls = calls;
    this.columns = new Columns();
    this.mode = "all";
    this.part = null; // the view, unless the whole run is shown
    this.highlight = -1;
    this.frame = 0;
    this.live = null;
    this.times = []; // ms that the last pictures took
    const draw = () => this.request();
    this.resizing = new ResizeObserver(draw);
    this.resizing.observe(canvas.parentElement);
    this.unthemed = onTheme(draw);
    this.timer = setInterval(() => this.going && !document.hidden && draw(), TICK);
    this.listen();
  }

  end() {
    this.resizing.disconnect();
    this.unthemed();
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }

  /** Takes the live state; it is drawn with the next frame. */
  take(live) {
    if (live.workers !== this.live?.workers) this.lanes = lanesOf(live.workers);
    this.live = live;
    this.going = ["running", "paused"].includes(live.summary.status.state);
    this.request();
  }

  request() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.live) this.draw();
    });
  }

  /** Where what runs ends for now, s since the start. */
  get last() {
    const { tasks, origin, eventTime } = this.live;
    if (this.seenTasks !== tasks || this.seenSeq !== this.live.seq) {
      this.seenTasks = tasks;
      this.seenSeq = this.live.seq;
      let last = (eventTime ?? origin) - origin;
      for (let k = 0; k < tasks.n; k++) {
        const end = tasks.start[k] + tasks.length[k];
        if (end > last) last = end;
      }
      this.lastEnd = Math.max(0, last);
    }
    return this.going ? Math.max(this.lastEnd, now() - origin) : this.lastEnd;
  }

  get models() {
    return (this.live.summary.models ?? []).filter(({ started, ended }) => started && ended);
  }

  draw() {
    const began = performance.now();
    const { canvas, live } = this;
    const width = Math.max(280, Math.floor(canvas.parentElement.clientWidth));
    const place = layout(width, this.lanes.order.length, this.models.length > 0);
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(place.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${place.height}px`;
    }
    const end = this.last;
    this.lastDrawn = end;
    if (this.mode === "newest") this.part = newest(this.part, end);
    const view = this.mode === "all" ? whole(end) : within(this.part, end);
    const columns = this.columns.update(live.tasks, this.lanes.lane, view, place.columns, end);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.scene = {
      place,
      view,
      end,
      live,
      ...this.lanes,
      columns,
      models: this.models,
      highlight: this.highlight,
      going: this.going,
    };
    const how = paint(pen, this.scene);
    this.times.push(performance.now() - began);
    if (this.times.length > 200) this.times.shift();
    if (how !== this.how) this.calls.painted((this.how = how));
  }

  // Views.

  show(mode, view) {
    if (mode === "newest") {
      const span =
        this.part && this.mode !== "all" ? this.part.to - this.part.from : Math.max(10, this.lastDrawn / 10);
      view = newest({ from: 0, to: span }, this.lastDrawn);
    }
    this.part = view ?? null;
    if (mode !== this.mode) this.calls.viewed((this.mode = mode));
    this.request();
  }

  zoom(times, around) {
    const { view } = this.scene;
    const next = zoomed(view, times, around ?? 0.5 * (view.from + view.to), this.lastDrawn);
    const all = whole(this.lastDrawn);
    if (next.to - next.from >= all.to - 1e-9) this.show("all");
    else if (this.mode === "newest" && around === undefined)
      ((this.part = { from: next.from, to: next.to }), this.request());
    else this.show("part", next);
  }

  pan(share) {
    const { view } = this.scene;
    const by = share * (view.to - view.from);
    if (this.mode === "all") return;
    this.show("part", within({ from: view.from + by, to: view.to + by }, this.lastDrawn));
  }

  // The pointer.

  listen() {
    const { canvas } = this;
    let press = null;
    canvas.addEventListener(
      "wheel",
      (event) => {
        // Without Ctrl and on the whole run the page scrolls as it does everywhere else.
        if (!event.ctrlKey && !event.shiftKey && !event.altKey && this.mode === "all" && event.deltaY > 0)
          return;
        event.preventDefault();
        if (Math.abs(event.deltaX) > Math.abs(event.deltaY))
          this.pan(event.deltaX / this.scene.place.columns);
        else this.zoom(Math.exp(-event.deltaY / 400), this.timeAt(event.offsetX));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      press = { x: event.offsetX, view: this.scene.view, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!press)
        return void this.hover(this.taskAt(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
      const by = event.offsetX - press.x;
      if (Math.abs(by) > MOVED) press.moved = true;
      if (!press.moved || this.mode === "all") return;
      const { from, to } = press.view;
      const shift = (-by / this.scene.place.columns) * (to - from);
      this.hover(-1);
      this.show("part", within({ from: from + shift, to: to + shift }, this.lastDrawn));
    });
    canvas.addEventListener("pointerup", (event) => {
      const task = press && !press.moved ? this.taskAt(event.offsetX, event.offsetY) : -1;
      press = null;
      if (task >= 0) this.calls.chosen(task);
    });
    canvas.addEventListener("pointercancel", () => (press = null));
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("blur", () => this.hover(-1));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.show("all"),
      ArrowLeft: () => (event.shiftKey ? this.walk(-1, 0) : this.pan(-0.2)),
      ArrowRight: () => (event.shiftKey ? this.walk(1, 0) : this.pan(0.2)),
      ArrowUp: () => this.walk(0, -1),
      ArrowDown: () => this.walk(0, 1),
      Enter: () => this.highlight >= 0 && this.calls.chosen(this.highlight),
      Escape: () => this.hover(-1),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // digits lead to other pages
    act();
  }

  timeAt(x) {
    const { place, view } = this.scene;
    return view.from + ((x - place.left) / place.columns) * (view.to - view.from);
  }

  /** The task drawn at a point, or -1: the nearest one of the lane. */
  taskAt(x, y) {
    const { place, order, view } = this.scene;
    const lane = Math.floor((y - place.lanes.y) / place.lanes.each);
    if (!(lane >= 0 && lane < order.length) || x < place.left || x > place.right) return -1;
    return this.nearest(order[lane], this.timeAt(x), (REACH * (view.to - view.from)) / place.columns);
  }

  nearest(of, time, reach) {
    const { n, state, worker, start, length } = this.live.tasks;
    let found = -1;
    let least = reach;
    for (let k = 0; k < n; k++) {
      if (worker[k] !== of || !(start[k] >= 0)) continue;
      const end = state[k] === RUNNING ? this.lastDrawn : start[k] + length[k];
      const apart = Math.max(start[k] - time, time - end, 0);
      if (apart < least || (apart === 0 && least === 0)) {
        found = k;
        least = apart;
      }
    }
    return found;
  }

  /** From the task that is marked to the next one of its worker, or to the one beside it on another. */
  walk(along, across) {
    const { order, lane, view, place } = this.scene;
    const { n, worker, start } = this.live.tasks;
    const at = this.highlight;
    if (!order.length) return;
    let next = -1;
    if (at < 0) next = this.nearest(order[0], view.from, Infinity);
    else if (across) {
      const beside = Math.min(order.length - 1, Math.max(0, lane[worker[at]] + across));
      next = this.nearest(order[beside], Math.max(start[at], view.from), Infinity);
    } else {
      for (let k = 0; k < n; k++) {
        if (worker[k] !== worker[at] || !((start[k] - start[at]) * along > 0)) continue;
        if (next < 0 || (start[next] - start[k]) * along > 0) next = k;
      }
    }
    if (next < 0) return;
    if (this.mode !== "all" && (start[next] < view.from || start[next] > view.to)) {
      const half = 0.5 * (view.to - view.from);
      this.show("part", within({ from: start[next] - half, to: start[next] + half }, this.lastDrawn));
      this.draw();
    }
    const x =
      place.left +
      ((start[next] - this.scene.view.from) / (this.scene.view.to - this.scene.view.from)) * place.columns;
    this.hover(next, Math.max(place.left, x), place.lanes.y + (lane[worker[next]] + 0.5) * place.lanes.each);
  }

  hover(task, x = 0, y = 0) {
    if (task < 0 && this.highlight < 0) return;
    if (task !== this.highlight) this.request();
    this.highlight = task;
    this.calls.hovered(task < 0 ? null : { task, x, y });
  }
}
