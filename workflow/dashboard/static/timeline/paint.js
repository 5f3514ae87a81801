// Draws the timeline. Everything is given in CSS pixels and seconds since the start.
import { colours, STATES, timeUnit, version } from "../ui.js";
import { hatch } from "./hatch.js";
import { ticks } from "./time.js";

const MOST_BARS = 20000; // beyond it, each pixel column shows how much of it was busy
const RUNNING = 1;
const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
const HATCHED = 4; // px that a bar is wide before a hatch can be seen
const ROWS = 8; // of the picture of a lane, the last two of them for what went wrong

/**
 * @param {CanvasRenderingContext2D} pen scaled to CSS pixels
 * @param {object} scene {place, view, end, live, order, lane, columns, models, highlight, going}
 * @returns {"bars"|"share"} how tasks were drawn
 */
export function paint(pen, scene) {
  const { place } = scene;
  const ink = colours();
  pen.clearRect(0, 0, place.width, place.height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  const x = (time) =>
    place.left + ((time - scene.view.from) / (scene.view.to - scene.view.from)) * place.columns;
  const marks = ticks(scene.view, place.columns / 72);
  grid(pen, scene, ink, x, marks);
  const how = scene.columns.shown > MOST_BARS ? "share" : "bars";
  clipped(pen, place, () => {
    if (place.training.height) trainings(pen, scene, ink, x);
    if (how === "share") shares(pen, scene, ink);
    else bars(pen, scene, ink, x);
    if (scene.going && scene.end <= scene.view.to) nowLine(pen, scene, ink, x);
  });
  labels(pen, scene, ink);
  running(pen, scene, ink);
  spent(pen, scene, ink);
  axis(pen, scene, ink, x, marks);
  return how;
}

function clipped(pen, { left, columns, height }, draw) {
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, columns, height);
  pen.clip();
  draw();
  pen.restore();
}

function grid(pen, { place }, ink, x, marks) {
  pen.fillStyle = ink.panel;
  for (const { y, height } of [place.training, place.lanes, place.running, place.spent]) {
    pen.fillRect(place.left, y, place.columns, height);
  }
  pen.strokeStyle = ink.rule;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const { at } of marks) {
    const here = Math.round(x(at)) + 0.5;
    pen.moveTo(here, 0);
    pen.lineTo(here, place.axis);
  }
  pen.stroke();
}

function bars(pen, { place, view, end, live, lane, highlight }, ink, x) {
  const { n, state, worker, start, length } = live.tasks;
  const { y, each } = place.lanes;
  const inset = each >= 8 ? 1.5 : each >= 4 ? 0.5 : 0;
  const height = Math.max(1, each - 2 * inset);
  const paths = STATES.map(() => new Path2D());
  const hatches = STATES.map(() => new Path2D());
  const open = new Path2D();
  const scale = place.columns / (view.to - view.from);
  for (let k = 0; k < n; k++) {
    const from = start[k];
    const code = state[k];
    const to = code === RUNNING ? end : from + length[k];
    if (!(to >= view.from && from <= view.to) || worker[k] < 0) continue;
    const left = Math.max(place.left - 4, x(from));
    const width = Math.max(1, Math.min((to - from) * scale, x(to) - left, place.columns + 8));
    const top = y + lane[worker[k]] * each + inset;
    // A hair of space between neighbours, where there is room for it.
    paths[code].rect(left, top, width > 3 ? width - 0.75 : width, height);
    if (code === RUNNING) {
      open.moveTo(left + width, top + 0.5);
      open.lineTo(left + 0.5, top + 0.5);
      open.lineTo(left + 0.5, top + height - 0.5);
      open.lineTo(left + width, top + height - 0.5);
    } else if (STATES[code].hatch && width >= HATCHED) hatches[code].rect(left, top, width - 0.75, height);
  }
  STATES.forEach(({ hatch: kind }, code) => {
    pen.fillStyle = ink.states[code];
    pen.globalAlpha = code === RUNNING ? 0.35 : 1;
    pen.fill(paths[code]);
    pen.globalAlpha = 1;
    if (!kind) return;
    pen.fillStyle = hatch(pen, kind, ink.page);
    pen.fill(hatches[code]);
  });
  pen.strokeStyle = ink.states[RUNNING];
  pen.lineWidth = 1;
  pen.stroke(open);
  if (highlight >= 0 && highlight < n && worker[highlight] >= 0) {
    const to = state[highlight] === RUNNING ? end : start[highlight] + length[highlight];
    const left = x(start[highlight]);
    pen.strokeStyle = ink.ink;
    pen.lineWidth = 2;
    pen.strokeRect(left, y + lane[worker[highlight]] * each + inset, Math.max(2, x(to) - left), height);
  }
}

/** Every lane as a picture of its own height: how dark a column is says how much of it was busy. */
function shares(pen, { place, columns, order }, ink) {
  const { sums, columns: width } = columns;
  const picture = new OffscreenCanvas(width, order.length * ROWS);
  const brush = picture.getContext("2d");
  const image = brush.createImageData(width, order.length * ROWS);
  const pixels = new Uint32Array(image.data.buffer);
  const [good, bad] = [packed(ink.states[2]), packed(ink.states[4])];
  for (let lane = 0; lane < order.length; lane++) {
    for (let column = 0; column < width; column++) {
      const at = lane * width + column;
      const busy = alpha(sums.busy[at]);
      // What went wrong is a band at the foot of the lane, where it is seen without its colour, too.
      const marked = sums.marked[at] > 0 ? alpha(0.35 + 0.65 * sums.marked[at]) : 0;
      for (let row = 0; row < ROWS - 1; row++) {
        const wrong = row >= ROWS - 3 && marked;
        pixels[(lane * ROWS + row) * width + column] = wrong ? bad | (marked << 24) : good | (busy << 24);
      }
    }
  }
  brush.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture, place.left, place.lanes.y, place.columns, place.lanes.height);
}

const alpha = (share) => Math.round(255 * Math.min(1, Math.max(0, share)));

/** A colour, "rgb(0, 158, 115)", as the pixels of an image have it, without its opacity. */
function packed(colour) {
  const [r, g, b] = colour.match(/[\d.]+/g).map(Number);
  return r | (g << 8) | (b << 16);
}

function trainings(pen, { place, models, live }, ink, x) {
  const { y, height } = place.training;
  let taken = place.left; // up to where bars and names reach
  models.forEach((model, k) => {
    const left = x(model.started - live.origin);
    const right = Math.max(left + 2, x(model.ended - live.origin));
    pen.fillStyle = ink.series[3];
    pen.fillRect(left, y + 2, right - left, height - 4);
    if (!model.promoted) {
      pen.fillStyle = hatch(pen, "x", ink.page);
      pen.fillRect(left, y + 2, right - left, height - 4);
    }
    const name = version(model.model);
    const room = pen.measureText(name).width + 4;
    const inside = right - left > room + 4;
    const next = k + 1 < models.length ? x(models[k + 1].started - live.origin) : place.right;
    const at = inside ? left + 4 : right + room < next ? right + 4 : left - room;
    if (at >= taken + 4 || inside) {
      pen.textAlign = "left";
      pen.fillStyle = inside ? ink.page : ink.ink;
      pen.fillText(name, at, y + height / 2 + 0.5);
    }
    taken = Math.max(right, at + room - 4);
  });
}

function nowLine(pen, { place, end }, ink, x) {
  pen.strokeStyle = ink.link;
  pen.lineWidth = 1;
  pen.setLineDash([4, 3]);
  pen.beginPath();
  pen.moveTo(x(end), 0);
  pen.lineTo(x(end), place.axis);
  pen.stroke();
  pen.setLineDash([]);
}

function labels(pen, { place, live, order }, ink) {
  pen.fillStyle = ink.soft;
  pen.textAlign = "right";
  const right = place.left - 8;
  if (place.training.height)
    pen.fillText("training", right, place.training.height / 2 + 0.5, place.left - 12);
  const every = Math.max(1, Math.ceil(13 / place.lanes.each));
  for (let k = 0; k < order.length; k += every) {
    const y = place.lanes.y + (k + 0.5) * place.lanes.each + 0.5;
    pen.fillText(live.workers[order[k]], right, y, place.left - 12);
  }
}

function title(pen, strip, place, words, ink) {
  pen.fillStyle = ink.soft;
  pen.textAlign = "left";
  pen.fillText(words, place.left, strip.y - 9);
}

function scaleOf(pen, strip, place, top, text, ink) {
  pen.fillStyle = ink.soft;
  pen.textAlign = "right";
  pen.fillText(text(top), place.left - 8, strip.y + 6, place.left - 12);
  pen.fillText("0", place.left - 8, strip.y + strip.height - 5);
}

function area(pen, strip, place, values, below, top, end) {
  const y = (value) => strip.y + strip.height - (Math.min(value, top) / top) * strip.height;
  pen.beginPath();
  for (let k = 0; k < end; k++) {
    const here = y(values(k) + below(k));
    pen.lineTo(place.left + k, here);
    pen.lineTo(place.left + k + 1, here);
  }
  for (let k = end - 1; k >= 0; k--) {
    pen.lineTo(place.left + k + 1, y(below(k)));
    pen.lineTo(place.left + k, y(below(k)));
  }
  pen.fill();
}

/** Columns that lie in the past. */
function past({ place, view, end }) {
  const share = (end - view.from) / (view.to - view.from);
  return Math.max(0, Math.min(place.columns, Math.ceil(share * place.columns)));
}

function running(pen, scene, ink) {
  const { place, columns, order } = scene;
  const [done, failed] = columns.sums.stages;
  const top = Math.max(1, order.length);
  title(pen, place.running, place, "tasks running", ink);
  scaleOf(pen, place.running, place, top, (value) => value.toLocaleString("en"), ink);
  pen.fillStyle = ink.series[0];
  area(
    pen,
    place.running,
    place,
    (k) => done[k] + failed[k],
    () => 0,
    top,
    past(scene),
  );
}

/** The stages' time spent up to each column, s. */
function cumulative({ columns, models, live, view, place }) {
  const stages = columns.sums.stages.map((stage, k) => {
    const sums = new Float64Array(place.columns);
    let sum = columns.earlier[k];
    for (let column = 0; column < place.columns; column++) {
      sum += stage[column] * columns.width;
      sums[column] = sum;
    }
    return sums;
  });
  const training = new Float64Array(place.columns);
  for (let column = 0; column < place.columns; column++) {
    const time = view.from + (column + 1) * columns.width;
    for (const { started, ended } of models) {
      training[column] += Math.max(0, Math.min(time, ended - live.origin) - (started - live.origin));
    }
  }
  return [...stages, training];
}

function spent(pen, scene, ink) {
  const { place } = scene;
  const end = past(scene);
  const [done, failed, training] = cumulative(scene);
  const total = end ? done[end - 1] + failed[end - 1] + training[end - 1] : 0;
  const { seconds, name } = timeUnit(total);
  const top = total || 1;
  title(
    pen,
    place.spent,
    place,
    `time spent in all (${name} of workers): simulations, failed tasks, training`,
    ink,
  );
  const text = (value) => (value / seconds).toLocaleString("en", { maximumSignificantDigits: 3 });
  scaleOf(pen, place.spent, place, top, text, ink);
  const [none, one, two] = [() => 0, (k) => done[k], (k) => done[k] + failed[k]];
  pen.fillStyle = ink.states[2];
  area(pen, place.spent, place, (k) => done[k], none, top, end);
  for (const [values, below, colour, kind] of [
    [failed, one, ink.states[4], "/"],
    [training, two, ink.series[3], ""],
  ]) {
    pen.fillStyle = colour;
    area(pen, place.spent, place, (k) => values[k], below, top, end);
    if (!kind) continue;
    pen.fillStyle = hatch(pen, kind, ink.page);
    area(pen, place.spent, place, (k) => values[k], below, top, end);
  }
}

function axis(pen, { place, view }, ink, x, marks) {
  pen.strokeStyle = ink.soft;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(place.left, place.axis + 0.5);
  pen.lineTo(place.right, place.axis + 0.5);
  for (const { at } of marks) {
    const here = Math.round(x(at)) + 0.5;
    pen.moveTo(here, place.axis);
    pen.lineTo(here, place.axis + 5);
  }
  pen.stroke();
  pen.fillStyle = ink.soft;
  pen.textAlign = "center";
  for (const { at, text } of marks) pen.fillText(text, x(at), place.axis + 14);
  pen.textAlign = "right";
  pen.fillText(`time since the start (${timeUnit(view.to - view.from).unit})`, place.right, place.axis + 31);
}
