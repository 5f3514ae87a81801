// What happened lately, in words: what users asked for, and what the run did.
import { actionWords, clock, counted, Panel, percent, seconds } from "../../ui.js";
import { html, useMemo } from "../../lib/preact.js";

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
    <ol class="happened">${[...ended, ...all].map(
      ({ t, symbol, words, tone = "" }) => html`
      <li key=${`${t} ${words}`}><time datetime=${new Date(1000 * t).toISOString()}>${clock(t)}</time>
        <span aria-hidden="true" class=${tone}>${symbol}</span> <span class="wrap">${words}</span></li>`,
    )}</ol><//>`;
}

const begun = (origin) => (origin ? [{ t: origin, symbol: "▶", words: "the run began" }] : []);

function trained(model) {
  const error =
    model.median_relative_error === null
      ? ""
      : `, off by ${percent(model.median_relative_error)} on ${counted(model.held_out, "held-out simulation")}`;
  return {
    t: model.t,
    symbol: model.promoted ? "▲" : "△",
    words: `model v${model.model} learned from ${counted(model.simulations, "simulation")} in
      ${seconds(model.training_seconds)}${error}; ${model.promoted ? "it was taken into use" : "it was not taken"}`,
  };
}

function asked(action) {
  const done = action.outcome === "done";
  return {
    t: action.t,
    symbol: done ? "✓" : "✕",
    tone: done ? "good" : "bad",
    words: `${action.user} asked for: ${actionWords(action)} (${action.via}); ${done ? "done" : "refused"}
      ${action.words ? `: ${action.words}` : ""}`,
  };
}
