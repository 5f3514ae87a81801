// Short messages at the edge of the page, read out to those who do not see them.

const SHOWN = 8000; // ms
let place = null;

/**
 * Shows a message for a while.
 * @param {string} words
 * @param {"" | "good" | "bad"} [tone]
 */
export function toast(words, tone = "") {
  if (!place) {
    place = document.createElement("div");
    place.className = "toasts";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  const note = document.createElement("div");
  note.className = `toast ${tone}`;
  const text = document.createElement("p");
  text.textContent = words;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Dismiss");
  close.addEventListener("click", () => note.remove());
  note.append(text, close);
  place.append(note);
  let timer = setTimeout(() => note.remove(), SHOWN);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("pointerleave", () => (timer = setTimeout(() => note.remove(), SHOWN / 2)));
}
