// Draws a figure of mlaround in the colours of its page, and again when the page turns dark or narrow.
function mlaroundDraw(element, figure) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const options = { responsive: true, displaylogo: false, displayModeBar: "hover",
                    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
                    toImageButtonOptions: { filename: figure.name || "figure", scale: 2 } };
  const draw = () => {
    const layout = structuredClone(figure.layout);
    const ink = dark.matches ? "#d8d8d8" : "#333333";
    layout.font.color = ink;
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: "#8a8a8a", activecolor: ink };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: dark.matches ? "#222" : "#fff", font: { color: ink } };
    Plotly.react(element, structuredClone(figure.data), layout, options);
  };
  draw();
  dark.addEventListener("change", draw);
}
