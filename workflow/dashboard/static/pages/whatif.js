// What if: a model's answer at any point, whether it may be believed there, and the nearest simulation.
import { html, useCallback, useEffect, useRef, useState } from "../lib/preact.js";
import { act, counted, Empty, number, Panel, seconds, spaced, Trouble, useStyle,
  version } from "../ui.js";
import { useAnswer } from "./whatif/asker.js";
import { Elsewhere } from "./whatif/elsewhere.js";
import { Inputs } from "./whatif/inputs.js";
import { Nearest, nearestLabel, nearestPoints } from "./whatif/nearest.js";
import { centre, readPoint, toQuery } from "./whatif/point.js";
import { Profiles } from "./whatif/profile.js";
import { Scalars } from "./whatif/scalars.js";
import { Uncertainty } from "./whatif/uncertainty.js";
import { Verdict, verdictKind } from "./whatif/verdict.js";

/** How long the address waits for the point to settle (ms); browsers refuse to change it too often. */
const SETTLED = 200;
/** Between two looks for the result of a simulation that was asked for (ms). */
const LOOK = 1000;

useStyle("lib/uplot.css");
useStyle("pages/whatif.css");

/** The what-if page. */
export default function WhatIf({ run, about, live, query }) {
  const [state, setState] = useState(() => readPoint(about, known(run, query)));
  const change = useCallback((changes) => setState((old) => ({ ...old, ...changes })), []);
  const changeInput = useCallback((name, value) => setState((old) => ({
    ...old, simulated: false, inputs: { ...old.inputs, [name]: value },
  })), []);
  const question = toQuery(state);
  useAddress(run, about, query, question, setState);

  const models = live.summary.models ?? [];
  const inUse = models.find((model) => model.in_use)?.model;
  const look = useLook(state.simulated, live.summary);
  const { answer, trouble, query: answered } = useAnswer(run, question, `${inUse}/${look}`);
  useReadNumbers(answer, answered, question, setState);

  const asked = async () => {
    if (await act(run, "simulate", { inputs: state.inputs })) change({ simulated: true });
  };
  if (!answer) {
    if (!trouble) return html`<p class="loading soft">Loading</p>`;
    return html`<${Unanswered} trouble=${trouble} models=${models} live=${live}
      centre=${() => setState(readPoint(about, new URLSearchParams()))} />`;
  }
  const label = nearestLabel(answer);
  const name = `${run}-what-if`;
  const valued = about.inputs.some(({ values }) => values?.length);
  const outside = verdictKind(answer) === "outside";
  return html`<div class="whatif" data-answered=${answered}>
    <div class="whatif-controls">
      <${Panel} title="Point" actions=${html`<button type="button" class="small"
        onClick=${() => change({ inputs: centre(about), simulated: false })}>Reset to centre</button>`}>
        <${Inputs} about=${about} inputs=${state.inputs} trained=${answer.trained} change=${changeInput} />
        <p class="whatif-key-line soft"><span><i class="whatif-trained"></i> training simulations</span>
          <span><i class="whatif-tick"></i> ends of the domain${valued && " and values simulated"}</span></p>
        <label class="field">Model <select value=${state.version}
          onChange=${({ target }) => change({ version: target.value })}>
          <option value="">in use${inUse ? `: ${version(inUse)}` : ""}</option>
          ${versions(models, state.version).map((one) => html`<option key=${one} value=${one}>
            ${one}</option>`)}</select></label>
      <//>
      <${Uncertainty} about=${about} state=${state} change=${change} answer=${answer} />
    </div>
    <div class="whatif-answer">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      <${Verdict} answer=${answer} />
      ${profileGroups(answer.targets).map(([key, targets]) => html`<${Panel} key=${key} className=${outside
        ? "whatif-unsafe" : ""} title=${targets.length > 1 ? `Profiles over ${spaced(targets[0].axis)}`
        : `Profile over ${spaced(targets[0].axis)}`}><${Profiles} targets=${targets} label=${label} points=${nearestPoints(answer)} outside=${outside}
        axis=${about.axes.find((axis) => axis.name === targets[0].axis)} beside=${answer.nearest_targets}
        name=${name} /><//>`)}
      ${scalars(answer.targets).length > 0 && html`<${Panel} title="Numbers" className=${outside
        ? "whatif-unsafe" : ""}><${Scalars} targets=${scalars(answer.targets)} label=${label} name=${name}
        beside=${answer.nearest_targets}
        judged=${models.find(({ model }) => model === answer.model)?.held_out > 0} /><//>`}
      <${Nearest} run=${run} about=${about} answer=${answer} state=${state} ask=${asked} />
      <${Elsewhere} about=${about} state=${state} inputs=${answer.inputs}
        address=${`#/${encodeURIComponent(run)}/whatif?${question}`} />
      <p class="soft">Answered by model ${version(answer.model)} in ${seconds(answer.seconds)}.</p>
    </div>
  </div>`;
}

const scalars = (targets) => targets.filter((target) => target.axis === null);

/** Profiles that have an axis and a unit in common. */
function profileGroups(targets) {
  const groups = new Map();
  for (const target of targets.filter(({ axis }) => axis !== null)) {
    const key = `${target.axis}/${target.unit}`;
    groups.set(key, [...(groups.get(key) ?? []), target]);
  }
  return [...groups];
}

/** The versions there are, newest first; one that the address names is offered even if there is none. */
function versions(models, chosen) {
  const known = models.map(({ model }) => version(model)).reverse();
  return !chosen || known.includes(chosen) ? known : [chosen, ...known];
}

const last = new Map(); // run -> the question that was asked last, for who comes back to the page

/** What the address asks, or what was asked last where it asks nothing. */
const known = (run, query) => (query.toString() ? query : new URLSearchParams(last.get(run) ?? ""));

/** Keeps the point in the address, and takes it from there when the user goes to another. */
function useAddress(run, about, query, question, setState) {
  const seen = useRef(query.toString());
  useEffect(() => {
    if (query.toString() === seen.current) return;
    seen.current = query.toString();
    setState(readPoint(about, known(run, query)));
  }, [query]);
  useEffect(() => {
    last.set(run, question);
    const timer = setTimeout(() => {
      seen.current = question;
      history.replaceState(history.state, "", `#/${encodeURIComponent(run)}/whatif?${question}`);
    }, SETTLED);
    return () => clearTimeout(timer);
  }, [run, question]);
}

/** What was given as text ("3.2 nm") becomes the number that the server read. */
function useReadNumbers(answer, answered, question, setState) {
  useEffect(() => {
    if (!answer || answered !== question) return;
    setState((old) => {
      const texts = Object.entries(old.inputs).filter(([, value]) => typeof value === "string");
      if (!texts.length) return old;
      return { ...old, inputs: { ...old.inputs,
        ...Object.fromEntries(texts.map(([name]) => [name, answer.inputs[name]])) } };
    });
  }, [answer]);
}

/** A number that grows, at most once a second, with what happens while a simulation is waited for. */
function useLook(waiting, { status, actions }) {
  const [look, setLook] = useState(0);
  const happened = JSON.stringify([status?.simulations, actions?.length]);
  useEffect(() => {
    if (!waiting) return undefined;
    const timer = setTimeout(() => setLook((k) => k + 1), LOOK);
    return () => clearTimeout(timer);
  }, [waiting, happened]);
  return look;
}

/** Why there is no answer at all: no model yet, or a question that cannot be read. */
function Unanswered({ trouble, models, live, centre: toCentre }) {
  if (trouble.status === 404 && !models.length) {
    const simulations = live.summary.status?.simulations ?? {};
    return html`<${Empty}><p><strong>No model has been trained yet.</strong></p>
      <p>${counted(simulations.done ?? 0, "simulation")} of ${number(simulations.total)} ${
      simulations.done === 1 ? "is" : "are"} done. This page answers after the first training.</p><//>`;
  }
  return html`<div class="stack"><${Trouble} error=${trouble} />
    <div><button type="button" onClick=${toCentre}>Start from the centre</button></div></div>`;
}
