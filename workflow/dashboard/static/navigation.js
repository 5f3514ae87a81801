// The navigation on the left: the pages of a run, the way back to all of them, and the theme.
import { html, useEffect, useRef, useState } from "./lib/preact.js";
import { address } from "./links.js";
import { setTheme, theme } from "./theme.js";

const THEMES = ["system", "light", "dark"];

/** Below 900 px it is a drawer, which `open` shows. */
export function Navigation({ at, pages, open, close, about }) {
  const place = useRef(null);
  useEffect(() => {
    if (!open) return;
    place.current.querySelector("a, button")?.focus();
    const key = (event) => event.key === "Escape" && close();
    addEventListener("keydown", key);
    return () => {
      removeEventListener("keydown", key);
      document.querySelector(".menu-button")?.focus();
    };
  }, [open]);
  const link = (href, text, current) => html`<li key=${href}>
    <a href=${href} aria-current=${current ? "page" : undefined} onClick=${close}>${text}</a>
  </li>`;
  const ofRun = () => html`<p class="run-name" title=${about.folder}>${at.run}</p>
    <ul>${pages.map(({ name, title }) => link(address(at.run, name), title, name === at.page))}</ul>`;
  return html`<div class="shade" hidden=${!open} onClick=${close}></div>
    <nav ref=${place} class=${open ? "side open" : "side"} aria-label="Pages">
      <a class="brand" href="#/" onClick=${close}>
        <img src="static/favicon.svg" alt="" width="24" height="24" /> mlaround
      </a>
      <ul>${link("#/", "Campaigns", !at.run)}</ul>
      ${about && ofRun()}
      <${Theme} />
    </nav>`;
}

function Theme() {
  const [chosen, setChosen] = useState(theme);
  const choose = (name) => {
    setTheme(name);
    setChosen(name);
  };
  const choice = (name) => html`<label key=${name} class=${chosen === name ? "chosen" : ""}>
    <input type="radio" name="theme" checked=${chosen === name} onChange=${() => choose(name)} />${name}
  </label>`;
  return html`<fieldset class="theme"><legend>Theme</legend>${THEMES.map(choice)}</fieldset>`;
}
