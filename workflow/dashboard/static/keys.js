// Keys for those who like them: they can be switched off, since some people's software types for them.
import { html, useEffect, useRef, useState } from "./lib/preact.js";
import { address } from "./links.js";

const stored = () => {
  try {
    return localStorage.getItem("mlaround.keys") !== "off";
  } catch {
    return true;
  }
};

export function Keys({ at, pages }) {
  const dialog = useRef(null);
  const [on, setOn] = useState(stored);
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (
        event.target.closest(
          "input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]",
        )
      ) {
        return;
      }
      if (event.key === "?") return dialog.current.showModal();
      if (!on) return;
      if (event.key === "0") location.hash = "#/";
      const page = pages[Number(event.key) - 1];
      if (page) location.hash = address(at.run, page.name);
      if (event.key === "a") document.querySelector(".actions-button")?.click();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [on, at, pages]);
  const change = (event) => {
    setOn(event.target.checked);
    try {
      localStorage.setItem("mlaround.keys", event.target.checked ? "on" : "off");
    } catch {
      // No storage: the choice lasts as long as the page.
    }
  };
  const line = (key, words) => html`<tr><td><kbd>${key}</kbd></td><td>${words}</td></tr>`;
  return html`<dialog ref=${dialog} aria-labelledby="keys-title" class="confirm">
    <h2 id="keys-title">Keys</h2>
    <table><tbody>${line("0", "all campaigns")}${pages.map(({ title }, k) => line(k + 1, title))}
      ${line("a", "actions")}${line("?", "this list")}</tbody></table>
    <label class="check"><input type="checkbox" checked=${on} onChange=${change} /> Use these keys</label>
    <form method="dialog" class="buttons"><button>Close</button></form></dialog>`;
}
