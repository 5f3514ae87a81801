// Which unit of time an axis is told in.

const UNITS = [
  [2 * 86400, 86400, "d"],
  [2 * 3600, 3600, "h"],
  [180, 60, "min"],
  [0, 1, "s"],
];

/** {seconds, unit} for an axis that spans so many seconds. */
export function timeScale(span) {
  const [, length, unit] = UNITS.find(([from]) => span >= from) ?? UNITS.at(-1);
  return { seconds: length, unit };
}
