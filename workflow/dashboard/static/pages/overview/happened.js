// What happened lately, in words: what users asked for, and what the run did.
import { html, useMemo } from "../../lib/preact.js";
import { actionWords, clock, counted, Panel, percent, seconds, version } from "../../ui.js";

const SHOWN = 12;

export function Happened({ live }) {
  const { models = [], actions = [], status } = live.summary;
  const all = useMemo(
    () =>
      [...models.map(trained), ...actions.map(asked), ...begun(live.origin)]
        .sort((a, b) => b.t - a.t)
        .slice(0, SHOWN),
    [models, actions, live.origin],
  );
  const ended =
    status.reason && status.updated
      ? [{ t: status.updated, symbol: "■", words: `the run is ${status.state}: ${status.reason}` }]
      : [];
  return html`<${Panel} title="Lately">
    <ol class="happened">
      ${[...ended, ...all].map((one) => html`<${Line} key=${one.t + one.words} of=${one} />`)}
    </ol>
  <//>`;
}

function Line({ of: { t, symbol, words, tone = "" } }) {
  return html`<li>
    <time datetime=${new Date(1000 * t).toISOString()}>${clock(t)}</time>
    <span aria-hidden="true" class=${tone}>${symbol}</span> <span class="wrap">${words}</span>
  </li>`;
}

const begun = (origin) => (origin > 0 ? [{ t: origin, symbol: "▶", words: "the run began" }] : []);

function trained(model) {
  const error = model.median_relative_error;
  const judged = `off by ${percent(error)} on ${counted(model.held_out, "held-out simulation")}`;
  const parts = [
    `model ${version(model.model)} learned from ${counted(model.simulations, "simulation")}`,
    `in ${seconds(model.training_seconds)}`,
  ];
  const verdict = model.promoted ? "it was taken into use" : "it was not taken";
  const words = `${parts.join(" ")}${error > 0 ? `, ${judged}` : ""}; ${verdict}`;
  return { t: model.t, symbol: model.promoted ? "▲" : "△", words };
}

function asked(action) {
  const done = action.outcome === "done";
  const outcome = `${done ? "done" : "refused"}${action.words ? `: ${action.words}` : ""}`;
  const words = `${action.user} asked to ${actionWords(action)} (${action.via}), ${outcome}`;
  return { t: action.t, symbol: done ? "✓" : "✕", tone: done ? "good" : "bad", words };
}
