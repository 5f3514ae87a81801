// A profile: the predicted mean with its band, and the nearest simulation's points with their error bars.
import { html, useLayoutEffect, useMemo, useRef } from "../../lib/preact.js";
import { colours, number, plusMinus, quantity, spaced, TableToggle, unit, useTheme } from "../../ui.js";
import uPlot from "../../lib/uplot.js";

const HEIGHT = 264;
const SIGMAS = 2;
/** Opacity of a simulation that is not of this point. */
const FAINT = 0.6;

/**
 * The profiles over one axis that have one unit, side by side on one scale.
 * @param {{targets: object[], axis: {name, unit}, beside: object[]|null, label: string, points: object,
 *   outside: boolean, name: string}} properties `beside` is what the nearest simulation gave, `label` what it
 *   is called, `points` how it is told beside its points (`nearestPoints`)
 */
export function Profiles({ targets, axis, beside, label, points, outside, name }) {
  const range = useSteadyRange(targets, beside);
  return html`<div class="whatif-profiles">${targets.map((target) => html`<${Profile} key=${target.name}
    target=${target} axis=${axis} beside=${beside?.find((b) => b.name === target.name) ?? null}
    label=${label} points=${points} outside=${outside} range=${range} name=${name} />`)}</div>`;
}

/** Half the width of the band: two standard deviations, those of uncertain inputs included. */
const halfWidth = (target, k, inputs) =>
  SIGMAS * (inputs && target.input_std ? Math.hypot(target.std[k], target.input_std[k]) : target.std[k]);

/** A range that holds all curves, and that stays while it fits, so that curves are seen to move. */
function useSteadyRange(targets, beside) {
  const kept = useRef(null);
  let [low, high] = [Infinity, -Infinity];
  for (const target of targets) {
    target.mean.forEach((mean, k) => {
      low = Math.min(low, mean - halfWidth(target, k, true));
      high = Math.max(high, mean + halfWidth(target, k, true));
    });
    const observed = beside?.find(({ name }) => name === target.name);
    observed?.mean.forEach((mean, k) => {
      low = Math.min(low, mean - observed.stderr[k]);
      high = Math.max(high, mean + observed.stderr[k]);
    });
  }
  if (!(high > low)) [low, high] = [Number.isFinite(low) ? low - 1 : 0, Number.isFinite(low) ? low + 1 : 1];
  const all = targets.every((target) => target.mean.every((mean) => mean >= 0));
  const floor = all ? 0 : low;
  const old = kept.current;
  const fits = old && floor >= old[0] && high <= old[1] && high - floor > 0.55 * (old[1] - old[0]);
  const room = 0.15 * (high - floor);
  if (!fits) kept.current = [all ? 0 : low - room, high + room];
  return kept.current;
}

function Profile({ target, axis, beside, label, points, outside, range, name }) {
  const place = useRef(null);
  const plot = useRef(null);
  const readout = useRef(null);
  const now = useRef({});
  now.current = { target, axis, beside, label, points, outside, range, readout };
  const theme = useTheme();
  // Before the paint, so that curves and numbers change in one frame.
  useLayoutEffect(() => {
    const width = () => Math.max(200, place.current.clientWidth);
    const made = new uPlot(options(now, width(), axis, target), columns(target), place.current);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: width(), height: HEIGHT }));
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme, axis.name, target.unit]);
  useLayoutEffect(() => {
    plot.current.setData(columns(target));
    read(now.current, plot.current.cursor.idx);
  }, [target, beside, outside, range[0], range[1]]);
  const uncertain = Boolean(target.input_std);
  const words = useMemo(() => summary(target, axis, beside, points.words), [target, beside, points.words]);
  return html`<figure class="whatif-profile">
    <figcaption><strong>${unit(spaced(target.name), target.unit)}</strong>
      <p class="soft">${target.description}</p></figcaption>
    <div ref=${place} class="whatif-plot" role="img" aria-label=${words}></div>
    <ul class="whatif-legend soft">
      <li><span class="whatif-key line ${outside ? "dashed" : ""}"></span>predicted mean</li>
      <li><span class="whatif-key band"></span>± 2 σ of the model</li>
      ${uncertain && html`<li><span class="whatif-key wide"></span>± 2 σ with the inputs</li>`}
      ${beside && html`<li><span class=${`whatif-key dot ${points.apart ? "apart" : ""}`}></span>${points.words}</li>`}
    </ul>
    <p class="whatif-readout soft" ref=${readout} aria-hidden="true"></p>
    <${TableToggle} name=${`${name}-${target.name}`} head=${heads(target, axis, beside, label)}
      rows=${() => rows(target, beside)} />
  </figure>`;
}

function columns(target) {
  const at = (sign, inputs) => target.mean.map((mean, k) => mean + sign * halfWidth(target, k, inputs));
  const none = target.mean.map(() => null);
  const wide = target.input_std ? [at(1, true), at(-1, true)] : [none, none];
  return [target.grid, target.mean, at(1, false), at(-1, false), ...wide];
}

function options(now, width, axis, target) {
  const { soft, rule, series } = colours();
  const edge = { width: 0, points: { show: false } };
  const axes = [quantity(axis.name, axis.unit), quantity(target.name, target.unit)].map((label) => ({
    label, stroke: soft, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
    grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, labelSize: 20, size: 48,
  }));
  axes[0].size = 36;
  return {
    width, height: HEIGHT, padding: [8, 12, 0, 0], axes,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: `whatif-${axis.name}` },
      points: { size: 7, fill: series[0] } },
    scales: { x: { time: false }, y: { range: () => now.current.range } },
    series: [{}, { stroke: series[0], width: 1.5, points: { show: false } },
      edge, edge, edge, edge],
    bands: [
      { series: [4, 5], fill: faded(series[4], 0.28) },
      { series: [2, 3], fill: faded(series[0], 0.35) },
    ],
    hooks: {
      // Dashes say without colour that the curve is not to be relied on.
      drawClear: [(u) => {
        u.series[1].dash = now.current.outside ? [8, 6].map((d) => d * devicePixelRatio) : undefined;
      }],
      draw: [(u) => drawObserved(u, now.current, colours())],
      setCursor: [(u) => read(now.current, u.cursor.idx)],
    },
  };
}

/** Points with error bars and caps; faint and hollow where they are of other inputs than the curve. */
function drawObserved(u, { beside, points: { apart } }, { series: [, colour], page }) {
  if (!beside?.grid) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.fillStyle = apart ? page : colour;
  ctx.globalAlpha = apart ? FAINT : 1;
  ctx.lineWidth = ratio;
  beside.grid.forEach((x, k) => {
    const [mean, error] = [beside.mean[k], beside.stderr[k] ?? 0];
    if (mean === null) return;
    const left = u.valToPos(x, "x", true);
    const [top, bottom] = [mean + error, mean - error].map((y) => u.valToPos(y, "y", true));
    const cap = 2.5 * ratio;
    ctx.beginPath();
    ctx.moveTo(left, top);
    ctx.lineTo(left, bottom);
    for (const y of [top, bottom]) {
      ctx.moveTo(left - cap, y);
      ctx.lineTo(left + cap, y);
    }
    ctx.stroke();
    ctx.beginPath();
    ctx.arc(left, u.valToPos(mean, "y", true), 2.4 * ratio, 0, 2 * Math.PI);
    ctx.fill();
    if (apart) ctx.stroke();
  });
  ctx.restore();
}

const faded = (colour, share) => `color-mix(in srgb, ${colour} ${100 * share}%, transparent)`;

/** What the cursor is at, in numbers. */
function read({ target, axis, beside, label, readout }, index) {
  if (!readout.current) return;
  const k = index ?? Infinity;
  if (k >= target.grid.length) {
    readout.current.textContent = "Point at a curve to read it.";
    return;
  }
  const where = `${axis.name} = ${number(target.grid[k], 4)} ${axis.unit}`.trim();
  const near = beside?.mean[k] === undefined || beside.mean[k] === null ? ""
    : `; ${label}: ${plusMinus(beside.mean[k], beside.stderr[k])} at ${number(beside.grid[k], 4)}`;
  const value = plusMinus(target.mean[k], halfWidth(target, k, true) / SIGMAS);
  readout.current.textContent = `${where}: ${value} ${target.unit}${near}`;
}

function summary(target, axis, beside, label) {
  const peak = target.mean.indexOf(Math.max(...target.mean));
  const widest = Math.max(...target.std);
  const range = (values) => `${number(Math.min(...values))} to ${number(Math.max(...values))} ${target.unit}`;
  return `${spaced(target.name)} over ${unit(axis.name, axis.unit)}: ${range(target.mean)}, highest at `
    + `${axis.name} = ${number(target.grid[peak])}; standard deviation up to ${number(widest, 2)}.`
    + (beside ? ` Beside it ${label}: ${range(beside.mean)}.` : "");
}

function heads(target, axis, beside, label) {
  const name = (text) => unit(text, target.unit);
  return [unit(axis.name, axis.unit), name(`${target.name} mean`), name("std"),
    ...(target.input_std ? [name("std from inputs")] : []),
    ...(beside ? [unit(`${axis.name} of ${label}`, axis.unit), name(label), name("standard error")] : [])];
}

function rows(target, beside) {
  return target.grid.map((x, k) => [x, target.mean[k], target.std[k],
    ...(target.input_std ? [target.input_std[k]] : []),
    ...(beside ? [beside.grid[k], beside.mean[k], beside.stderr[k]] : [])]);
}
