// Patterns that tell states apart without colour.

const SIZE = 6;
const LINES = {
  "/": [[0, SIZE, SIZE, 0]],
  "\\": [[0, 0, SIZE, SIZE]],
  x: [
    [0, SIZE, SIZE, 0],
    [0, 0, SIZE, SIZE],
  ],
};

/** A canvas pattern of a hatch ("/", "\\" or "x") in a colour. */
export function hatch(context, kind, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = SIZE;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.25;
  pen.lineCap = "square";
  for (const [x0, y0, x1, y1] of LINES[kind]) {
    for (const shift of [-SIZE, 0, SIZE]) {
      pen.beginPath();
      pen.moveTo(x0 + shift, y0);
      pen.lineTo(x1 + shift, y1);
      pen.stroke();
    }
  }
  return context.createPattern(tile, "repeat");
}
