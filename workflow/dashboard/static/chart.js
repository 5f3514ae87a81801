// Line plots that move: uPlot in the page's colours, with a legend, a table, and files to take away.
import { options } from "./chart/options.js";
import { picture } from "./chart/picture.js";
import { counted } from "./format.js";
import { html, useEffect, useRef, useState } from "./lib/preact.js";
import uPlot from "./lib/uplot.js";
import { onTheme } from "./theme.js";
import { download, TableToggle, useStyle } from "./ui.js";

useStyle("lib/uplot.css");
useStyle("chart.css");

/**
 * A plot of series over one x.
 *
 * `series`: [{name, colour (0-5, of `colours().series`), line (default true), dash, steps, fill, shape
 * ("circle" | "diamond", none without), hollow, spanGaps, text (value -> text)}], in the order of `data`
 * after its x. `x`, `y`: {label with its unit, unit, text (value -> text), log, whole (numbers), from and to
 * (ends that the axis has at least), room (share of it left beyond the data)}. `level`: {at, text}, a line
 * across. `title` of the picture; `label` says what is seen now, to those who cannot see it. `head`, `rows`:
 * what "View as table" and the CSV file hold; `name` of the files.
 */
export function Chart({ name, title, label, data, series, x, y, level, height = 240, head, rows }) {
  const place = useRef(null);
  const plot = useRef(null);
  const readout = useRef(null);
  const [themes, setThemes] = useState(0);
  const given = useRef(null);
  given.current = { x, y, level };
  const form = JSON.stringify([name, series, x.label, y.label, y.log, height, themes]);

  useEffect(() => onTheme(() => setThemes((k) => k + 1)), []);
  useEffect(() => {
    const tell = (words) => (readout.current.textContent = words);
    const size = { width: place.current.clientWidth, height };
    const made = new uPlot(options(size, series, given, tell), data, place.current);
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
    if (plot.current.data !== data) plot.current.setData(data);
  }, [data]);

  const seen = `${label} ${counted(data[0].length, "point")}.`;
  const save = async () => download(`${name}.png`, await picture(plot.current, title, series, given));
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

/** A line and a mark as the plot has them. */
function Swatch({ of: { colour, hollow, fill, line, dash, shape } }) {
  const ink = `var(--s${colour + 1})`;
  const mark = { fill: hollow ? "var(--page)" : ink, stroke: ink, "stroke-width": 2 };
  return html`<svg width="28" height="12" viewBox="0 0 28 12">
    ${fill && html`<rect x="1" y="5" width="26" height="7" fill=${ink} opacity="0.16" />`}
    ${line !== false && html`<path d="M1 5H27" stroke=${ink} stroke-width="2" stroke-dasharray=${dash} />`}
    ${shape === "circle" && html`<circle cx="14" cy="6" r="4" ...${mark} />`}
    ${shape === "diamond" && html`<path d="M14 1L19 6L14 11L9 6Z" ...${mark} />`}
  </svg>`;
}
