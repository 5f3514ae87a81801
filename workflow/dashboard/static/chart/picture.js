// A plot as a picture to take away: with its title and legend, large enough to print.
import uPlot from "../lib/uplot.js";
import { colours } from "../theme.js";
import { options } from "./options.js";

const SCALE = 3;
const TOP = 48; // px above the plot, for title and legend

/**
 * Draws a plot anew, as a PNG.
 * @param {uPlot} plot as it is on the page
 * @param {string} title
 * @param {object[]} series
 * @param {object} given as `options` takes it
 * @returns {Promise<Blob>}
 */
export function picture({ width, height, data }, title, series, given) {
  const place = document.createElement("div");
  return new Promise((resolve) => {
    const plot = new uPlot(options({ width, height, scale: SCALE }, series, given), data, (made, begin) => {
      place.append(made.root);
      begin();
    });
    // uPlot draws in a microtask.
    setTimeout(() => {
      const source = plot.ctx.canvas;
      const pixel = source.width / width;
      const canvas = document.createElement("canvas");
      canvas.width = source.width;
      canvas.height = source.height + TOP * pixel;
      const pen = canvas.getContext("2d");
      const ink = colours();
      pen.fillStyle = ink.page;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(source, 0, TOP * pixel);
      pen.scale(pixel, pixel);
      heading(pen, title, series, ink);
      plot.destroy();
      canvas.toBlob(resolve, "image/png");
    });
  });
}

function heading(pen, title, series, ink) {
  const font = "system-ui, 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  pen.fillStyle = ink.ink;
  pen.font = `600 14px ${font}`;
  pen.fillText(title, 12, 16);
  pen.font = `12px ${font}`;
  let x = 12;
  for (const { name, colour, dash, hollow, line } of series) {
    pen.strokeStyle = pen.fillStyle = ink.series[colour];
    pen.lineWidth = 2;
    pen.setLineDash(dash ?? []);
    pen.beginPath();
    if (line === false) pen.arc(x + 10, 37, 4, 0, 2 * Math.PI);
    else pen.moveTo(x, 37), pen.lineTo(x + 20, 37);
    if (line === false && !hollow) pen.fill();
    pen.stroke();
    pen.fillStyle = ink.ink;
    pen.fillText(name, x + 26, 37);
    x += pen.measureText(name).width + 44;
  }
}
