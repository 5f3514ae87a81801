// Requests to the server. All addresses are relative to the document, which may stand under a prefix.
import { setClock } from "./format.js";

/** An answer that is an error: `words` say what is wrong, `do` what to do; `status` 0 means no answer. */
export class ApiError extends Error {
  constructor(status, words, todo = "") {
    super(words);
    this.status = status;
    this.words = words;
    this.do = todo;
  }
}

/**
 * The JSON at an address such as `api/runs`.
 * @param {string} path
 * @param {RequestInit} [options]
 * @throws {ApiError}
 */
export async function api(path, options) {
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The dashboard does not answer.", "It may have ended, or the network is down.");
  }
  const date = Date.parse(answer.headers.get("Date"));
  if (date) setClock(date);
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new ApiError(
    answer.status,
    body?.error ?? `The dashboard answered ${answer.status}.`,
    body?.do ?? "",
  );
}

/** The same for a POST of JSON. */
export function post(path, body) {
  return api(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Mlaround": "1" },
    body: JSON.stringify(body),
  });
}

/** The address of a run's part of the API. */
export function runPath(run, ...rest) {
  return ["api/runs", run, ...rest].map((part, k) => (k ? encodeURIComponent(part) : part)).join("/");
}
