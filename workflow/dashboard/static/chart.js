// Line plots that move: uPlot in the page's colours, with a legend, a table, and files to take away.
import uPlot from "./lib/uplot.js";
import { html, useEffect, useRef, useState } from "./lib/preact.js";
import { counted, number } from "./format.js";
import { colours, onTheme } from "./theme.js";
import { download, TableToggle, useStyle } from "./ui.js";

useStyle("lib/uplot.css");
useStyle("chart.css");

const SHAPES = {
  circle: (path, x, y, r) => path.arc(x, y, r, 0, 2 * Math.PI),
  diamond: (path, x, y, r) =>
    polygon(path, [
      [x, y - 1.3 * r],
      [x + 1.3 * r, y],
      [x, y + 1.3 * r],
      [x - 1.3 * r, y],
    ]),
};

function polygon(path, corners) {
  corners.forEach(([x, y], k) => (k ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
}

/**
 * A plot of series over one x.
 *
 * `series`: [{name, colour (0-5, of `colours().series`), line (default true), dash, steps, fill, shape
 * ("circle" | "diamond", none without), hollow, text (value -> text)}], in the order of `data` after its x.
 * `x`, `y`: {label with its unit, unit, text (value -> text), log, whole (numbers), from and to (ends that
 * the axis has at least), room (share of it left beyond the data)}. `level`: {at, text}, a line across.
 * `head`, `rows`: what "View as table" and the CSV file hold; `name` of the files; `label` says what is
 * seen, now, to those who cannot see it.
 */
export function Chart({ name, label, data, series, x, y, level, height = 240, head, rows }) {
  const place = useRef(null);
  const plot = useRef(null);
  const readout = useRef(null);
  const [themes, setThemes] = useState(0);
  const latest = useRef(null);
  latest.current = { x, y, level };
  const seen = `${label} ${counted(data[0].length, "point")}.`;
  const form = JSON.stringify([name, series, x.label, y.label, y.log, height, themes]);

  useEffect(() => onTheme(() => setThemes((k) => k + 1)), []);
  useEffect(() => {
    const made = new uPlot(
      options(place.current.clientWidth, height, series, latest, readout.current),
      data,
      place.current,
    );
    plot.current = made;
    const watch = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== made.width) made.setSize({ width, height });
    });
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [form]);
  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  const save = () => picture(plot.current, name, label, series);
  return html`<div class="chart">
    <div ref=${place} class="chart-place" role="img" aria-label=${seen}></div>
    <ul class="legend" aria-hidden="true">
      ${series.map((one) => html`<li key=${one.name}><${Swatch} of=${one} /> ${one.name}</li>`)}
      <li class="soft" ref=${readout}></li>
    </ul>
    <div class="chart-tools">
      <${TableToggle} head=${head} rows=${rows} name=${name} />
      <button type="button" class="small" onClick=${save}>PNG</button>
    </div>
  </div>`;
}

function options(width, height, series, latest, readout) {
  const ink = colours();
  const { x, y } = latest.current;
  const font = "12px system-ui, 'DejaVu Sans', sans-serif";
  const axis = (own, side) => ({
    side,
    font,
    labelFont: font,
    stroke: ink.soft,
    label: own.label,
    labelSize: 20,
    size: side === 3 ? 48 : 28,
    labelGap: side === 3 ? 4 : 0,
    space: side === 3 ? 28 : 64,
    grid: { stroke: ink.rule, width: 1 },
    ticks: { stroke: ink.rule, width: 1, size: 4 },
    splits: own.log ? (plot, _, low, high) => marks(low, high) : undefined,
    incrs: own.whole
      ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6]
      : undefined,
    values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : (own.text ?? number)(tick))),
  });
  return {
    width,
    height,
    padding: [8, 12, 0, 0],
    scales: {
      x: { time: false, range: (_, low, high) => spread(low, high, latest.current.x) },
      y: y.log
        ? { distr: 3, log: 10, range: (_, low, high) => decades(low, high, latest.current) }
        : { range: (_, low, high) => spread(low, high, { from: 0, ...latest.current.y }) },
    },
    axes: [axis(x, 2), axis(y, 3)],
    series: [{}, ...series.map((one) => line(one, ink))],
    legend: { show: false },
    cursor: { y: false, points: { size: 8 }, focus: { prox: 24 } },
    hooks: {
      draw: [(plot) => drawLevel(plot, latest.current.level, ink)],
      setCursor: [(plot) => (readout.textContent = read(plot, series, latest.current.x))],
    },
  };
}

function line(one, ink) {
  const colour = ink.series[one.colour];
  const radius = 4;
  return {
    stroke: one.line === false ? "transparent" : colour,
    width: 2,
    dash: one.dash,
    fill: one.fill ? colour.replace("rgb(", "rgba(").replace(")", ", 0.16)") : undefined,
    paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    spanGaps: Boolean(one.spanGaps),
    points: one.shape
      ? {
          show: true,
          stroke: colour,
          fill: one.hollow ? ink.page : colour,
          width: 2,
          size: 2 * radius,
          paths: (plot, index, from, to) => shapes(plot, index, from, to, SHAPES[one.shape], radius),
        }
      : { show: false },
  };
}

function shapes(plot, index, from, to, draw, radius) {
  const path = new Path2D();
  const r = radius * devicePixelRatio;
  for (let k = from; k <= to; k++) {
    const value = plot.data[index][k];
    if (value === null || value === undefined) continue;
    const x = plot.valToPos(plot.data[0][k], "x", true);
    const y = plot.valToPos(value, "y", true);
    path.moveTo(x + r, y);
    draw(path, x, y, r);
  }
  return { stroke: path, fill: path, clip: null, flags: 3 };
}

/** What is under the cursor, in words. */
function read(plot, series, x) {
  const at = plot.cursor.idx;
  if (at === null || at === undefined) return "";
  const values = series.flatMap((one, k) => {
    const value = plot.data[k + 1][at];
    return value === null || value === undefined ? [] : [`${one.name} ${(one.text ?? number)(value)}`];
  });
  return `${values.join(", ")} at ${(x.text ?? number)(plot.data[0][at])}${x.unit ? ` ${x.unit}` : ""}`;
}

/** A line and a mark as the plot has them. */
function Swatch({ of: { colour, hollow, fill, line: lined, dash, shape } }) {
  const ink = `var(--s${colour + 1})`;
  const mark = { fill: hollow ? "var(--page)" : ink, stroke: ink, "stroke-width": 2 };
  return html`<svg width="28" height="12" viewBox="0 0 28 12">
    ${fill && html`<rect x="1" y="5" width="26" height="7" fill=${ink} opacity="0.16" />`}
    ${lined !== false && html`<path d="M1 5H27" stroke=${ink} stroke-width="2" stroke-dasharray=${dash} />`}
    ${shape === "circle" && html`<circle cx="14" cy="6" r="4" ...${mark} />`}
    ${shape === "diamond" && html`<path d="M14 1L19 6L14 11L9 6Z" ...${mark} />`}
  </svg>`;
}

function drawLevel(plot, level, ink) {
  if (!level) return;
  const {
    ctx,
    bbox: { left, width, top, height },
  } = plot;
  const y = plot.valToPos(level.at, "y", true);
  if (y < top || y > top + height) return;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink.soft;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = `${12 * devicePixelRatio}px system-ui, 'DejaVu Sans', sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = y - top > 20 * devicePixelRatio ? "bottom" : "top";
  ctx.fillText(level.text, left + width - 4 * devicePixelRatio, y + (ctx.textBaseline === "top" ? 4 : -3));
  ctx.restore();
}

/** The ends of a linear axis: all of the data with some room. */
function spread(low, high, { from, to, room = 0.04 }) {
  if (low === null || high === null) return [from ?? 0, to ?? 1];
  const first = Math.min(low, from ?? low);
  const last = Math.max(high, to ?? high);
  const more = (last - first || Math.abs(last) || 1) * room;
  return [first === from ? first : first - more, last === to ? last : last + more];
}

/** The ends of a logarithmic axis: 1, 2 or 5 times a power of ten. */
function decades(low, high, { level }) {
  const least = Math.min(low ?? 1, level?.at ?? Infinity);
  const most = Math.max(high ?? 10, level?.at ?? 0);
  return [round125(least * 0.9, -1), round125(most * 1.1, 1)];
}

/** Where a logarithmic axis is marked: powers of ten, and 2 and 5 times them where there are few. */
function marks(low, high) {
  const found = [];
  const few = high / low < 300;
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high * 1.001; power *= 10) {
    for (const step of few ? [1, 2, 5] : [1]) {
      if (step * power >= low * 0.999 && step * power <= high * 1.001) found.push(step * power);
    }
  }
  return found;
}

function round125(value, way) {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  return way > 0 ? steps.find((step) => step >= value) : steps.findLast((step) => step <= value);
}

/** The plot as a PNG file, with its title and legend. */
function picture(plot, name, label, series) {
  const source = plot.ctx.canvas;
  const scale = devicePixelRatio;
  const top = 44 * scale;
  const canvas = document.createElement("canvas");
  canvas.width = source.width;
  canvas.height = source.height + top;
  const ctx = canvas.getContext("2d");
  const ink = colours();
  ctx.fillStyle = ink.page;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(source, 0, top);
  ctx.textBaseline = "middle";
  ctx.fillStyle = ink.ink;
  ctx.font = `600 ${13 * scale}px system-ui, 'DejaVu Sans', sans-serif`;
  ctx.fillText(label, 12 * scale, 14 * scale, canvas.width - 24 * scale);
  ctx.font = `${12 * scale}px system-ui, 'DejaVu Sans', sans-serif`;
  let x = 12 * scale;
  for (const one of series) {
    ctx.fillStyle = ink.series[one.colour];
    ctx.fillRect(x, 30 * scale, 14 * scale, 4 * scale);
    ctx.fillStyle = ink.ink;
    ctx.fillText(one.name, x + 20 * scale, 32 * scale);
    x += ctx.measureText(one.name).width + 40 * scale;
  }
  canvas.toBlob((blob) => download(`${name}.png`, blob), "image/png");
}
