// What uPlot is told: axes with units, marks, and where axes end.
import uPlot from "../lib/uplot.js";
import { number } from "../format.js";
import { colours } from "../theme.js";

const FONT = "system-ui, 'DejaVu Sans', sans-serif";
const RADIUS = 4; // of marks
const WHOLE = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).sort(
  (a, b) => a - b,
);

/**
 * Options of a plot.
 * @param {{width: number, height: number, scale?: number}} size `scale` enlarges letters and lines too
 * @param {object[]} series
 * @param {{current: {x: object, y: object, level?: object}}} given as the chart's properties have them now
 * @param {(words: string) => void} [tell] takes what is under the cursor, in words
 */
export function options({ width, height, scale = 1 }, series, given, tell) {
  const ink = colours();
  const { x, y } = given.current;
  return {
    width: width * scale,
    height: height * scale,
    padding: [8 * scale, 12 * scale, 0, 0],
    scales: {
      x: { time: false, range: (_, low, high) => spread(low, high, given.current.x) },
      y: y.log
        ? { distr: 3, log: 10, range: (_, low, high) => decades(low, high, given.current.level) }
        : { range: (_, low, high) => spread(low, high, { from: 0, ...given.current.y }) },
    },
    axes: [axis(x, 2, ink, scale), axis(y, 3, ink, scale)],
    series: [{}, ...series.map((one) => line(one, ink, scale))],
    legend: { show: false },
    cursor: { show: Boolean(tell), y: false, points: { size: 2 * RADIUS }, focus: { prox: 24 } },
    hooks: {
      draw: [(plot) => drawLevel(plot, given.current.level, ink, scale)],
      setCursor: [(plot) => tell?.(under(plot, series, given.current.x))],
    },
  };
}

function axis(own, side, ink, scale) {
  const left = side === 3;
  const font = `${12 * scale}px ${FONT}`;
  return {
    side,
    font,
    labelFont: font,
    stroke: ink.soft,
    label: own.label,
    labelSize: 20 * scale,
    labelGap: (left ? 4 : 0) * scale,
    size: (left ? 48 : 28) * scale,
    gap: 5 * scale,
    space: (left ? 28 : 64) * scale,
    grid: { stroke: ink.rule, width: scale },
    ticks: { stroke: ink.rule, width: scale, size: 4 * scale },
    splits: own.log ? (plot, _, low, high) => marks(low, high) : undefined,
    incrs: own.whole ? WHOLE : undefined,
    values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : (own.text ?? number)(tick))),
  };
}

function line(one, ink, scale) {
  const colour = ink.series[one.colour];
  const mark = {
    show: true,
    stroke: colour,
    fill: one.hollow ? ink.page : colour,
    width: 2 * scale,
    size: 2 * RADIUS * scale,
    paths: (plot, index, from, to) => shapes(plot, index, from, to, one.shape, RADIUS * scale),
  };
  return {
    stroke: one.line === false ? "transparent" : colour,
    width: 2 * scale,
    dash: one.dash?.map((length) => length * scale),
    fill: one.fill ? colour.replace("rgb(", "rgba(").replace(")", ", 0.16)") : undefined,
    paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    spanGaps: Boolean(one.spanGaps),
    points: one.shape ? mark : { show: false },
  };
}

function shapes(plot, index, from, to, shape, radius) {
  const path = new Path2D();
  const r = radius * devicePixelRatio;
  for (let k = from; k <= to; k++) {
    const value = plot.data[index][k];
    if (value === null || value === undefined) continue;
    const x = plot.valToPos(plot.data[0][k], "x", true);
    const y = plot.valToPos(value, "y", true);
    if (shape === "diamond") diamond(path, x, y, 1.3 * r);
    else path.moveTo(x + r, y), path.arc(x, y, r, 0, 2 * Math.PI);
  }
  return { stroke: path, fill: path, clip: null, flags: 3 };
}

function diamond(path, x, y, r) {
  path.moveTo(x, y - r);
  path.lineTo(x + r, y);
  path.lineTo(x, y + r);
  path.lineTo(x - r, y);
  path.closePath();
}

/** A dashed line across the plot, with its name. */
function drawLevel(plot, level, ink, scale) {
  if (!level) return;
  const { left, width, top, height } = plot.bbox;
  const y = plot.valToPos(level.at, "y", true);
  if (y < top || y > top + height) return;
  const pixel = devicePixelRatio * scale;
  const above = y - top > 20 * pixel;
  const pen = plot.ctx;
  pen.save();
  pen.strokeStyle = pen.fillStyle = ink.soft;
  pen.lineWidth = pixel;
  pen.setLineDash([6 * pixel, 4 * pixel]);
  pen.beginPath();
  pen.moveTo(left, y);
  pen.lineTo(left + width, y);
  pen.stroke();
  pen.font = `${12 * pixel}px ${FONT}`;
  pen.textAlign = "right";
  pen.textBaseline = above ? "bottom" : "top";
  pen.fillText(level.text, left + width - 4 * pixel, y + (above ? -3 : 4) * pixel);
  pen.restore();
}

/** What is under the cursor, in words. */
function under(plot, series, x) {
  const at = plot.cursor.idx;
  if (at === null || at === undefined) return "";
  const values = series.flatMap((one, k) => {
    const value = plot.data[k + 1][at];
    return value === null || value === undefined ? [] : [`${one.name} ${(one.text ?? number)(value)}`];
  });
  return `${values.join(", ")} at ${(x.text ?? number)(plot.data[0][at])}${x.unit ? ` ${x.unit}` : ""}`;
}

/** The ends of a linear axis: all of the data with some room. */
function spread(low, high, { from, to, room = 0.04 }) {
  if (low === null || high === null) return [from ?? 0, to ?? 1];
  const first = Math.min(low, from ?? low);
  const last = Math.max(high, to ?? high);
  const more = (last - first || Math.abs(last) || 1) * room;
  return [first === from ? first : first - more, last === to ? last : last + more];
}

/** The ends of a logarithmic axis: 1, 2 or 5 times a power of ten, with the level between them. */
function decades(low, high, level) {
  const least = Math.min(low ?? 1, level?.at ?? Infinity) * 0.9;
  const most = Math.max(high ?? 10, level?.at ?? 0) * 1.1;
  const steps = (value) => [1, 2, 5, 10].map((step) => step * 10 ** Math.floor(Math.log10(value)));
  return [steps(least).findLast((step) => step <= least), steps(most).find((step) => step >= most)];
}

/** Where a logarithmic axis is marked: powers of ten, and 2 and 5 times them where there are few. */
function marks(low, high) {
  const steps = high / low < 300 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high * 1.001; power *= 10) {
    found.push(...steps.map((step) => step * power).filter((at) => at >= low * 0.999 && at <= high * 1.001));
  }
  return found;
}
