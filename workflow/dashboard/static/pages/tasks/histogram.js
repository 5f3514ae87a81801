// Two small histograms, one above the other: where simulations failed, and where they are done.
import { html } from "../../lib/preact.js";
import { number, spaced, unit } from "../../ui.js";

const WIDTH = 184;
const HALF = 24;

/**
 * @param {{common: {input, unit, edges, values, failed_counts, done_counts}}} properties
 */
export function Histogram({ common }) {
  const { edges, values, failed_counts: failed, done_counts: done } = common;
  const [low, high] = [edges[0], edges.at(-1)];
  const x = (value) => ((value - low) / (high - low)) * WIDTH;
  const bars = (counts, up, kind) => {
    const most = Math.max(...counts, 1);
    return counts.map((count, k) => {
      const height = count ? Math.max(1.5, (count / most) * (HALF - 2)) : 0;
      return html`<rect
        class=${kind}
        x=${x(edges[k]) + 0.75}
        width=${Math.max(1, x(edges[k + 1]) - x(edges[k]) - 1.5)}
        y=${up ? HALF - height : HALF + 1}
        height=${height}
      />`;
    });
  };
  const ticks = values.length && values.length <= 5 ? values : [low, high];
  return html`<figure class="pair-histogram">
    <svg
      viewBox="0 0 ${WIDTH} ${2 * HALF + 16}"
      width=${WIDTH}
      height=${2 * HALF + 16}
      role="img"
      aria-label=${words(common)}
    >
      ${bars(failed, true, "failed")}
      <line x1="0" x2=${WIDTH} y1=${HALF + 0.5} y2=${HALF + 0.5} />
      ${bars(done, false, "done")}
      ${ticks.map(
        (value, k) =>
          html`<text
            x=${values.length ? x(value) : k ? WIDTH : 0}
            y=${2 * HALF + 13}
            text-anchor=${values.length ? "middle" : k ? "end" : "start"}
            >${number(value)}</text
          >`,
      )}
    </svg>
    <figcaption>
      <span class="failed">failed</span> above, <span class="done">done</span> below, over${" "}
      ${unit(spaced(common.input), common.unit)}
    </figcaption>
  </figure>`;
}

function words({ input, unit: of, edges, values, failed_counts: failed, done_counts: done }) {
  const bars = failed.map((count, k) => {
    const where = values.length ? number(values[k]) : `${number(edges[k])} to ${number(edges[k + 1])}`;
    return `${where}: ${count} failed, ${done[k]} done`;
  });
  return `Simulations over ${unit(spaced(input), of)}. ${bars.filter((_, k) => failed[k] + done[k]).join("; ")}.`;
}
