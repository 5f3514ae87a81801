// Draws the report's figures, offers their tables for download and shows them as tables.
const ROWS_SHOWN = 500;
for (const section of document.querySelectorAll(".figure")) {
  const figure = JSON.parse(section.querySelector("script").textContent);
  mlaroundDraw(section.querySelector(".plot"), figure);
  section.querySelector("button").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([figure.csv], { type: "text/csv" }));
    link.download = `${figure.name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  section.querySelector("details").addEventListener("toggle", (event) => {
    const place = section.querySelector("details .scroll");
    if (!event.target.open || place.childElementCount) return;
    const [head, ...rows] = parse(figure.csv);
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.textContent = rows.length > ROWS_SHOWN
      ? `The first ${ROWS_SHOWN} of ${rows.length} rows; the CSV file has them all.` : `${rows.length} rows.`;
    const top = table.createTHead().insertRow();
    for (const name of head) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      top.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows.slice(0, ROWS_SHOWN)) {
      const line = body.insertRow();
      for (const text of row) {
        const number = text !== "" && !isNaN(text);
        const cell = line.insertCell();
        cell.textContent = number && text.length > 9 ? String(Number(Number(text).toPrecision(6))) : text;
        if (number) cell.className = "n";
      }
    }
    place.append(table);
  });
}
function parse(csv) {
  return csv.trimEnd().split("\n").map((line) =>
    [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(,|$)/g)].slice(0, line.endsWith(",") ? undefined : -1)
      .map((cell) => cell[1].startsWith('"') ? cell[1].slice(1, -1).replaceAll('""', '"') : cell[1]));
}
