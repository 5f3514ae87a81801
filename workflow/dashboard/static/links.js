// Addresses inside the dashboard.

/** What the address names: {run, page, query}; run "" is the list of campaigns. */
export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [run = "", page = ""] = path.split("/").map(decodeURIComponent);
  return { run, page: page || (run ? "overview" : "campaigns"), query: new URLSearchParams(query) };
}

/**
 * The address of a page of a run; of the list of campaigns where `run` is "".
 * @param {string} run
 * @param {string} [page]
 * @param {object} [query]
 */
export function address(run, page = "overview", query = {}) {
  const search = new URLSearchParams(query).toString();
  return `#/${run ? `${encodeURIComponent(run)}/${page}` : ""}${search ? `?${search}` : ""}`;
}

/** A path as a shell takes it. */
export function quoted(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
