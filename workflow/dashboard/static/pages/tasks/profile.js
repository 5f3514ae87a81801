// A small plot of an output over its axis, with a band of one standard error.
import { html } from "../../lib/preact.js";
import { number, quantity, spaced, TableToggle, unit } from "../../ui.js";

const WIDTH = 480;
const HEIGHT = 132;
const LEFT = 48;
const BOTTOM = 24;
const TOP = 8;

export function Profile({ profile }) {
  const { name, unit: of, axis, axis_unit: along, grid, mean, stderr } = profile;
  const known = grid.map((_, k) => k).filter((k) => mean[k] !== null && grid[k] !== null);
  if (known.length < 2) return null;
  const error = (k) => stderr[k] ?? 0;
  const least = Math.min(...known.map((k) => mean[k] - error(k)));
  const high = Math.max(...known.map((k) => mean[k] + error(k)));
  // What comes down to nothing, within a line's width, is seen to do so.
  const low = Math.abs(least) < 0.02 * (high - least) ? 0 : least;
  const [from, to] = [grid[known[0]], grid[known.at(-1)]];
  const x = (value) => LEFT + ((value - from) / (to - from || 1)) * (WIDTH - LEFT - 8);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - BOTTOM - TOP);
  const point = (k, sign) => `${x(grid[k]).toFixed(1)},${y(mean[k] + sign * error(k)).toFixed(1)}`;
  const band = [...known.map((k) => point(k, 1)), ...[...known].reverse().map((k) => point(k, -1))].join(" ");
  const label =
    `${name} over ${unit(axis, along)}: from ${number(Math.min(...known.map((k) => mean[k])))} to ` +
    `${number(Math.max(...known.map((k) => mean[k])))}${of ? ` ${of}` : ""}`;
  return html`<h3>${unit(spaced(name), of)}</h3>
    <svg class="profile" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${label}>
      <polygon points=${band} />
      <polyline points=${known.map((k) => point(k, 0)).join(" ")} />
      <line x1=${LEFT} x2=${WIDTH - 8} y1=${HEIGHT - BOTTOM} y2=${HEIGHT - BOTTOM} />
      <text x=${LEFT - 6} y=${y(high) + 10} text-anchor="end">${number(high, 2)}</text>
      <text x=${LEFT - 6} y=${y(low)} text-anchor="end">${number(low, 2)}</text>
      <text x=${LEFT} y=${HEIGHT - 6}>${number(from)}</text>
      <text x=${WIDTH - 8} y=${HEIGHT - 6} text-anchor="end">${number(to)}</text>
      <text x=${(LEFT + WIDTH) / 2} y=${HEIGHT - 6} text-anchor="middle">${quantity(axis, along)}</text>
    </svg>
    <${TableToggle}
      name=${name}
      head=${[unit(axis, along), unit(name, of), "standard error"]}
      rows=${() => grid.map((value, k) => [value, mean[k], stderr[k]])}
    />`;
}
