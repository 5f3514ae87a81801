// The shell: which page, its navigation and header, and what is shown when the server does not answer.
import { html, render, useCallback, useEffect, useErrorBoundary, useRef, useState } from "./lib/preact.js";
import { api, ApiError, runPath } from "./api.js";
import { outcomes } from "./asked.js";
import { Gone, Lost } from "./gone.js";
import { Header } from "./header.js";
import { Keys } from "./keys.js";
import { address, route } from "./links.js";
import { follow } from "./live.js";
import { Navigation } from "./navigation.js";
import { styled } from "./styles.js";
import { Trouble } from "./ui.js";

const RETRY = 2000; // ms between attempts to reach a server that is gone

function App() {
  const [at, setAt] = useState(route);
  useEffect(() => {
    const changed = () => setAt(route());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  const { about, error, retry } = useAbout(at.run);
  const live = useLive(at.run, about);
  const { models, status } = live?.summary ?? {};
  useEffect(() => {
    if (status) retry(); // a run that has a model has more pages
  }, [models?.length, status?.state]);
  const go = useCallback((page, query) => {
    location.hash = address(route().run, page, query);
  }, []);
  const pages = at.run ? (about?.pages ?? []) : [];
  const page = pages.find(({ name }) => name === at.page);
  const title = at.run ? (page?.title ?? "") : "Campaigns";
  useTitle(at.run, title, live);
  useFocus(`${at.run}/${at.page}`);
  useEffect(() => {
    if (at.run) outcomes(at.run, live?.summary.actions);
  }, [at.run, live?.summary.actions]);

  const [menu, setMenu] = useState(false);
  useEffect(() => setMenu(false), [at]);
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Navigation} at=${at} pages=${pages} open=${menu} close=${() => setMenu(false)} about=${about} />
    <div class="column">
      <${Header} at=${at} title=${title} about=${about} live=${live} openMenu=${() => setMenu(true)} />
      ${about && live && html`<${Lost} live=${live} folder=${about.folder} />`}
      <main id="main" tabindex="-1" aria-label=${title || at.run}>
        ${content({ at, page, about, live, go, error: error ?? (live?.seq < 0 ? live.error : null), retry })}
      </main>
    </div>
    <${Keys} at=${at} pages=${pages} />`;
}

/** The page that the address names, or why it cannot be shown. */
function content({ at, page, about, live, go, error, retry }) {
  if (!at.run) return html`<${Lazy} key="campaigns" script="campaigns" at=${at} go=${go} />`;
  // What is known of a run stays on the page while the server does not answer, or is busy.
  if (error && (!about || live?.seq < 0 || error.status === 404)) {
    return html`<${Gone} error=${error} run=${at.run} retry=${retry} />`;
  }
  if (!about || !live) return html`<${Loading} />`;
  if (!page) {
    const words = `There is no page "${at.page}" for this run`;
    return html`<${Trouble} error=${new ApiError(404, words, "The navigation has the others")} />`;
  }
  const key = `${at.run}/${page.name}`;
  const given = { at, about, live, go, script: page.script };
  return html`<${Lazy} key=${key} ...${given} />`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function Loading() {
  return html`<p class="loading soft" role="status">Loading</p>`;
}

/** The descriptor of a run. It is asked for again until the server answers. */
function useAbout(run) {
  const [state, setState] = useState({ run: "", about: null, error: null });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (!run) return setState({ run, about: null, error: null });
    let over = false;
    let timer = 0;
    api(runPath(run)).then(
      (about) => {
        const unchanged = (old) => JSON.stringify(old.about) === JSON.stringify(about);
        if (!over) setState((old) => ({ run, about: unchanged(old) ? old.about : about, error: null }));
      },
      (error) => {
        if (over) return;
        setState((old) => ({ run, about: old.run === run ? old.about : null, error }));
        timer = setTimeout(() => setAttempt((k) => k + 1), RETRY);
      },
    );
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [run, attempt]);
  const mine = state.run === run ? state : { about: null, error: null };
  return { ...mine, retry: () => setAttempt((k) => k + 1) };
}

function useLive(run, about) {
  const [state, setState] = useState(null);
  useEffect(() => {
    if (!run || !about) return setState(null);
    return follow(run, (live) => setState({ run, live }));
  }, [run, Boolean(about)]);
  return state?.run === run ? state.live : null;
}

function painted(seq, eventTime) {
  window.mlaroundPainted = { seq, eventTime, paintedAt: performance.timeOrigin + performance.now() };
  const paints = (window.mlaroundPaints ??= []);
  paints.push(window.mlaroundPainted);
  if (paints.length > 1000) paints.shift();
}

function useTitle(run, title, live) {
  const { simulations, state } = live?.summary.status ?? {};
  const share = simulations?.total
    ? `${Math.floor((100 * (simulations.done + simulations.failed)) / simulations.total)} %`
    : "";
  const words = [state && state !== "running" ? state : share, run, title, "mlaround"];
  useEffect(() => {
    document.title = words.filter(Boolean).join(" · ");
  }, words);
}

/** Moves the focus to a page that was gone to, so that keyboards and screen readers are there as well. */
function useFocus(place) {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else if (!document.querySelector("dialog[open]")) {
      scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }, [place]);
}

const modules = new Map(); // script -> promise of its module

/** The module of a page, once its style sheets are there as well. */
async function loaded(script) {
  const module = await import(`./pages/${script}.js`);
  await styled();
  return module;
}

/** A page, whose module is loaded when it is first shown. */
function Lazy({ script, at, about, live, go }) {
  const [Page, setPage] = useState(null);
  const [failed, setFailed] = useState(null);
  const [broken, mend] = useErrorBoundary((error) => console.error(error));
  const load = () => {
    setFailed(null);
    if (!modules.has(script)) modules.set(script, loaded(script));
    modules.get(script).then(
      (module) => setPage(() => module.default),
      (error) => {
        modules.delete(script);
        setFailed(error);
      },
    );
  };
  useEffect(load, [script]);
  useEffect(() => {
    if (!Page || !live || live.seq < 0) return;
    // Two frames later what this state changed is on the screen: this is what latency is measured by.
    const { seq, eventTime } = live;
    requestAnimationFrame(() => requestAnimationFrame(() => painted(seq, eventTime)));
  }, [Page, live?.seq]);
  if (failed) {
    return html`<${Trouble} error=${new ApiError(0, "This page could not be loaded.", failed.message)}
      retry=${() => location.reload()} />`;
  }
  if (broken) {
    return html`<${Trouble} error=${new ApiError(0, "This page could not be drawn.", broken.message)}
      retry=${mend} />`;
  }
  if (!Page || (live && live.seq < 0)) return html`<${Loading} />`;
  return html`<${Page} run=${at.run} about=${about} live=${live} query=${at.query} go=${go} />`;
}

render(html`<${App} />`, document.getElementById("app"));
