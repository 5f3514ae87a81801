// Style sheets of pages and of what they are made of.

const asked = new Map(); // address of a style sheet -> a promise of it

/**
 * Adds a style sheet of static/ to the page, once: `useStyle("pages/tasks.css")`. A page is shown when those
 * that its modules ask for as they are loaded have come.
 */
export function useStyle(path) {
  const href = new URL(path, import.meta.url).href;
  if (asked.has(href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  asked.set(href, new Promise((done) => {
    link.onload = link.onerror = done; // without its style a page is still better than none
  }));
  document.head.append(link);
}

/** Waits for all style sheets that were asked for. */
export const styled = () => Promise.all(asked.values());
