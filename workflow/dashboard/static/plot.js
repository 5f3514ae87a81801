// Plotly: loaded when a figure is first drawn, in the page's colours, and for pictures on white.

/** Colours as figures name them, and so the order of the page's series. */
const SERIES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];

/** Colours of a picture that will stand on white paper. */
const PAPER = { ink: "#333333", page: "#ffffff", series: SERIES };

const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false, doubleClick: "reset" };

let loaded = null;

/** The library, once. */
function library() {
  loaded ??= new Promise((done, failed) => {
    // Plotly writes no style element where it finds this one: the page's policy would refuse it.
    const sheet = document.createElement("link");
    sheet.id = "plotly.js-style-global";
    sheet.className = "no-inline-styles";
    sheet.rel = "stylesheet";
    sheet.href = new URL("plotly.css", import.meta.url).href;
    const script = document.createElement("script");
    script.src = new URL("assets/plotly-cartesian.min.js", import.meta.url).href;
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      loaded = null;
      script.remove();
      failed(new Error("the plotting library could not be loaded"));
    };
    document.head.append(sheet, script);
  });
  return loaded;
}

/** A figure with the page's colours in the place of its own. */
function coloured(figure, { ink, page, series }) {
  const parts = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
  let text = JSON.stringify({ data: figure.data, layout: figure.layout });
  SERIES.forEach((own, k) => {
    const rgb = [1, 3, 5].map((at) => parseInt(own.slice(at, at + 2), 16));
    const to = series[k].startsWith("#") ? rgb : parts(series[k]);
    text = text.replaceAll(`"${own}"`, `"rgb(${to})"`).replaceAll(`rgba(${rgb},`, `rgba(${to},`);
  });
  const { data, layout } = JSON.parse(text);
  layout.font.color = ink;
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: page, font: { color: ink } };
  return { data, layout };
}

/**
 * Draws a figure into an element, or what changed of it; what the reader has zoomed into stays.
 * @param {HTMLElement} element
 * @param {{data: object[], layout: object, asked: string}} figure
 * @param {{ink: string, page: string, series: string[]}} theme
 */
export async function draw(element, figure, theme) {
  const Plotly = await library();
  if (!element.isConnected) return;
  const { data, layout } = coloured(figure, theme);
  layout.uirevision = `${figure.asked}/${element.resets ?? 0}`;
  await Plotly.react(element, data, layout, CONFIG);
  element.fitted ??= fit(Plotly, element);
}

/** Follows the width of the element, which changes without the window's. */
function fit(Plotly, element) {
  let width = element.clientWidth;
  const watch = new ResizeObserver(() => {
    if (element.clientWidth === width || !element.clientWidth) return;
    width = element.clientWidth;
    Plotly.Plots.resize(element);
  });
  watch.observe(element);
  return watch;
}

/** Ends what an element was drawn with. */
export function undraw(element) {
  element?.fitted?.disconnect();
  if (element?.data) window.Plotly.purge(element);
}

/** Shows all of a figure again. */
export function resetView(element, figure, theme) {
  element.resets = (element.resets ?? 0) + 1;
  return draw(element, figure, theme);
}

/** A figure on white as a Blob, "png" or "svg". */
export async function picture(figure, format) {
  const Plotly = await library();
  const { data, layout } = coloured(figure, PAPER);
  const width = Math.max(900, layout.meta?.min_width ?? 0);
  Object.assign(layout, { paper_bgcolor: PAPER.page, plot_bgcolor: PAPER.page, title: { text: figure.title } });
  layout.margin = { ...layout.margin, t: layout.margin.t + 40 };
  const address = await Plotly.toImage({ data, layout }, { format, width, height: layout.height + 40, scale: 2 });
  const [head, body] = [address.slice(0, address.indexOf(",")), address.slice(address.indexOf(",") + 1)];
  const bytes = head.endsWith("base64") ? Uint8Array.from(atob(body), (c) => c.charCodeAt(0))
    : decodeURIComponent(body);
  return new Blob([bytes], { type: format === "svg" ? "image/svg+xml" : "image/png" });
}
