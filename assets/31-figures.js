// The figure of an edited view, one for each way to compare its alleles. Those that are not shown
// are drawn while the page has nothing else to do, so that a change puts another in its place.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  // How long nothing has moved or been drawn before the next one is drawn, in ms.
  const IDLE_MS = 400;
  const WAYS = ["reference", "alternate", "overlay", "difference", "split"];

  let shown = { way: "", tops: new Map() };
  let others = new Map(); // way: its node and the tops of its rows
  let timer = 0;

  const plot = (node, data, layout) => window.Plotly.react(node, data, layout, { staticPlot: true });
  const forget = () => clearTimeout(timer);

  // Draws the figure in one way, and later in the others. `fill(data)` gives traces their points and
  // returns the tops of the rows; `compare` has the traces of each way.
  function drawFigure(figure, way, fill) {
    forget();
    for (const { node } of others.values()) window.Plotly.purge(node);
    others = new Map();
    const data = [...figure.data, ...(figure.compare[way] || [])];
    shown = { way, tops: fill(data) };
    plot($("figure"), data, figure.layout);
    const rest = WAYS.filter((one) => one !== way && figure.compare[one]);
    if (rest.length && document.documentElement.dataset.picture !== "on") later(figure, rest, fill);
    return shown.tops;
  }

  // With copies of traces and layout: what is shown has its own.
  function later(figure, [way, ...rest], fill) {
    timer = setTimeout(() => {
      const node = make("div");
      const data = [...figure.data, ...figure.compare[way]].map((trace) => ({ ...trace }));
      const tops = fill(data);
      plot(node, data, structuredClone(figure.layout));
      others.set(way, { node, tops });
      if (rest.length) later(figure, rest, fill);
    }, IDLE_MS);
  }

  // Shows another way. Returns the tops of its rows, or null if it has not been drawn yet.
  function swapFigure(way) {
    const next = others.get(way);
    if (!next) return null;
    const node = $("figure");
    others.delete(way);
    others.set(shown.way, { node, tops: shown.tops });
    node.removeAttribute("id");
    next.node.id = "figure";
    node.replaceWith(next.node);
    shown = { way, tops: next.tops };
    return next.tops;
  }

  // A hand that moves the view must not wait; where it comes to rest all is drawn anew.
  ls.on("moved", () => {
    const { base, visible } = ls.state();
    if (visible.start !== base.start || visible.end !== base.end) forget();
  });

  Object.assign(ls, { drawFigure, swapFigure, figuresWaiting: () => others.size });
})();
