// Runs before the first paint, so that a page whose theme was chosen does not flash in the other one.
try {
  const theme = localStorage.getItem("mlaround.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the theme of the system it is.
}
