// The crosshair: a line through all rows with the value of each beside it, moved by the pointer or
// by keys, and the same in words in the status line.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const STEP_PX = 4; // a key moves the crosshair this far, or to the next base where that is more
  const BASE_PX = 6; // from here on a single base can be changed

  let at = null; // base under the crosshair; null where there is none
  let anchor = null; // where a selection by keys began

  const perPx = () => {
    const { visible } = ls.state();
    return (visible.end - visible.start) / $("viewport").clientWidth;
  };
  const pxOf = (position) => (position - ls.state().visible.start) / perPx();

  const say = (list) => list.map(ls.valueText).join(", ");

  // Predicted values, each with its standard deviation where the spread is shown.
  const sayPredicted = (values, spread) =>
    values
      .map((value, i) =>
        Number.isFinite(spread[i]) ? `${ls.valueText(value)} (SD ${ls.valueText(spread[i])})` : ls.valueText(value),
      )
      .join(", ");

  function inWords(one) {
    const { row, predicted, observed, alternate, spread, alternateSpread } = one;
    const name = `${row.label} ${row.biosample ? row.biosample.name : row.title}`;
    const said = [];
    if (alternate.length) {
      said.push(`reference ${sayPredicted(predicted, spread)}`);
      said.push(`alternate ${sayPredicted(alternate, alternateSpread)}`);
    } else if (predicted.length) said.push(`predicted ${sayPredicted(predicted, spread)}`);
    if (observed.length) said.push(`observed ${say(observed)}`);
    return `${name}: ${said.join(" / ")}`;
  }

  // The values of one row beside the line: alternate or predicted, then observed.
  function chip(value, place) {
    const { predicted, observed, alternate, spread, alternateSpread } = value;
    const first = alternate.length ? sayPredicted(alternate, alternateSpread) : sayPredicted(predicted, spread);
    const node = make("span", "cross-value", [first, say(observed)].filter(Boolean).join(" / "));
    node.style.top = `${place.top}px`;
    node.dataset.row = value.row.id;
    return node;
  }

  function draw(x, position, y = null) {
    const { view, base } = ls.state();
    at = position;
    const line = $("crosshair");
    line.hidden = false;
    line.style.transform = `translateX(${x}px)`;
    const { geometry } = view.figure;
    const values = ls.valuesAt(position);
    const shown = values.filter((one) => one.predicted.length || one.observed.length);
    const places = new Map(geometry.rows.map((row) => [row.id, row]));
    line.replaceChildren(...shown.map((one) => chip(one, places.get(one.row.id))));
    line.classList.toggle("left", x > $("viewport").clientWidth - 120);
    const under = geometry.rows.find((row) => y !== null && y >= row.top && y < row.top + row.height);
    const place = `${ls.positionText(base.chromosome, position)} ${ls.sequenceAt(position)}`.trim();
    const gene = ls.geneText(position, y);
    const said = under ? shown.filter((one) => one.row.id === under.id) : shown;
    const contacts = under ? "" : ls.contactsAt(position);
    $("readout").textContent = [place, gene, contacts, ...said.map(inWords)].filter(Boolean).join("   ");
    $("viewport").classList.toggle("on-gene", y !== null && Boolean(gene));
  }

  function follow(event) {
    if (!ls.state().drawn) return;
    const box = $("viewport").getBoundingClientRect();
    draw(event.clientX - box.left, Math.floor(ls.positionAt(event.clientX)), event.clientY - box.top);
    const map = ls.pointAtMap(event);
    if (map) $("readout").textContent = map;
  }

  function leave() {
    at = null;
    $("crosshair").hidden = true;
    $("readout").textContent = "";
  }

  // ---- By keys ------------------------------------------------------------------------------

  // The base that keys speak of: that of the crosshair, or the one in the middle of the view.
  function here() {
    const { visible } = ls.state();
    const inside = at !== null && at >= visible.start && at < visible.end;
    return inside ? at : Math.floor((visible.start + visible.end) / 2);
  }

  function step(direction, selecting) {
    const { visible, drawn } = ls.state();
    if (!drawn) return;
    const from = here();
    const by = at === null ? 0 : Math.max(1, Math.round(STEP_PX * perPx()));
    const to = Math.min(Math.ceil(visible.end) - 1, Math.max(Math.floor(visible.start), from + direction * by));
    if (!selecting) {
      anchor = null;
      ls.clearSelection();
    } else if (anchor === null) {
      anchor = from;
    }
    const x = pxOf(to + 0.5);
    draw(x, to);
    if (anchor !== null) {
      const box = $("viewport").getBoundingClientRect();
      const start = Math.min(anchor, to);
      const end = Math.max(anchor, to) + 1;
      ls.select(start, end, { clientX: box.left + x, clientY: box.top + 120 });
    }
  }

  function baseHere() {
    const box = $("viewport").getBoundingClientRect();
    if (1 / perPx() < BASE_PX) {
      ls.toast("Zoom in to change a base");
      return;
    }
    ls.offerBase(here(), { clientX: box.left + pxOf(here() + 1), clientY: box.top + 20 });
  }

  ls.on("moved", () => {
    if (at !== null && anchor === null) leave();
  });

  ls.page.then(() => {
    const viewport = $("viewport");
    viewport.addEventListener("pointermove", follow);
    viewport.addEventListener("pointerleave", () => {
      leave();
      ls.leaveMap();
    });
    viewport.addEventListener("pointerdown", () => {
      anchor = null;
    });
  });

  Object.assign(ls, {
    crosshairAt: here,
    crosshairTo: (position) => draw(pxOf(position + 0.5), position),
    crosshairLeft: () => step(-1, false),
    crosshairRight: () => step(1, false),
    selectLeft: () => step(-1, true),
    selectRight: () => step(1, true),
    baseHere,
    genesHere: () => ls.openGenes(here()),
  });
})();
