// Words with `code` in them.
import { html } from "./lib/preact.js";

/** Text whose parts in backticks are shown as code. */
export function prose(text) {
  return (text ?? "").split("`").map((part, k) => (k % 2 ? html`<code>${part}</code>` : part));
}
