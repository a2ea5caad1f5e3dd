// Splice junctions as arcs on the genome axis: predicted above the line, measured below it.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $ } = ls;
  const SVG = "http://www.w3.org/2000/svg";
  // Arcs below this part of the strongest one are left out, and so many have a number.
  const LEAST = 0.02;
  const MOST_NUMBERS = 10;
  const MAX_HELD = 24;

  const held = new Map(); // by address: what the server said
  const arcOf = new WeakMap(); // of what is under the pointer
  let geometry = null;

  const arcRows = (view) => view.rows.filter((row) => row.kind === "junctions");

  function address(view, row) {
    const { start, end, chrom } = view.locus;
    const span = end - start;
    const query = new URLSearchParams({
      genome: view.genome.id,
      chrom,
      start: Math.max(0, start - span),
      end: end + span,
      row: row.id,
    });
    if (view.model) query.set("model", view.model.id);
    if (view.edited) ls.edits().forEach(([key, text]) => query.append(key, text));
    return query.toString();
  }

  const asked = ls.inOrder();

  async function fetchRow(view, row, signal) {
    const key = address(view, row);
    const isNews = asked(row.id);
    let found;
    try {
      found = await ls.json(`/api/v1/junctions?${key}`, { signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      found = { lists: [{ part: "observed", error: error.message }], unit: "" };
      ls.afterAWhile(error, signal, () => ls.state().view === view && fetchRow(view, row, signal));
    }
    if (!isNews()) return;
    held.delete(key);
    held.set(key, found);
    while (held.size > MAX_HELD) held.delete(held.keys().next().value);
    if (ls.state().view === view && geometry) paint(view, row);
  }

  ls.on("loading", (signal) => {
    const { view } = ls.state();
    arcRows(view).forEach((row) => fetchRow(view, row, signal));
  });

  // ---- What is drawn --------------------------------------------------------------------------

  const keyOf = (strand, start, end) => `${strand}${start}-${end}`;

  function arcsOf(lists, part) {
    const found = new Map();
    for (const list of lists) {
      if (list.part !== part || list.error) continue;
      list.start.forEach((start, i) => {
        const arc = { start, end: list.end[i], value: list.value[i], strand: list.strand };
        found.set(keyOf(list.strand, start, arc.end), arc);
      });
    }
    return found;
  }

  const top = (groups) => Math.max(0, ...groups.flatMap((one) => one.arcs.map((arc) => Math.abs(arc.value))));

  // The groups of arcs of a row: where they stand, how they are coloured, what they are called.
  function groupsOf(view, lists) {
    const [ref, alt, observed] = ["predicted", "alternate", "observed"].map((part) => arcsOf(lists, part));
    const below = { up: false, kind: "observed", name: "observed", arcs: [...observed.values()] };
    if (!view.edited) return [{ up: true, kind: "predicted", name: "predicted", arcs: [...ref.values()] }, below];
    const reference = { up: true, kind: "reference", name: "reference", arcs: [...ref.values()] };
    const alternate = { up: true, kind: "predicted", name: "alternate", arcs: [...alt.values()] };
    switch (view.compare) {
      case "difference": {
        const both = new Map([...ref, ...alt]);
        const arcs = [...both].map(([key, arc]) => ({
          ...arc,
          value: (alt.get(key)?.value || 0) - (ref.get(key)?.value || 0),
        }));
        return [
          { up: true, kind: "gain", name: "alternate \u2212 reference", arcs: arcs.filter((one) => one.value > 0) },
          { up: true, kind: "loss", name: "alternate \u2212 reference", arcs: arcs.filter((one) => one.value < 0) },
        ];
      }
      case "split":
        return [reference, { ...alternate, up: false }];
      case "reference":
        return [reference, below];
      case "alternate":
        return [alternate, below];
      default: {
        // A number stands once where both alleles have the intron.
        const named = new Set([...alt].filter(([, arc]) => arc.value >= LEAST * top([alternate])).map(([key]) => key));
        const lost = (arc) => !named.has(keyOf(arc.strand, arc.start, arc.end));
        return [{ ...reference, named: lost }, alternate, below];
      }
    }
  }

  function node(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function layer() {
    if (!$("junctions")) {
      const made = document.createElement("div");
      made.id = "junctions";
      $("world").append(made);
    }
    return $("junctions");
  }

  function paint(view, row) {
    const place = geometry.rows.find((one) => one.id === row.id);
    const found = held.get(address(view, row));
    if (!place || !found) return;
    const { base, region } = ls.state();
    const px = $("viewport").clientWidth / (base.end - base.start);
    const groups = groupsOf(view, found.lists);
    // Counts and predicted reads have scales of their own, but all alleles share one.
    const observed = (group) => group.kind === "observed";
    const tops = { observed: top(groups.filter(observed)), predicted: top(groups.filter((one) => !observed(one))) };
    const hasBelow = groups.some((group) => !group.up && group.arcs.length);
    const middle = hasBelow ? place.height / 2 : place.height - 4;
    const svg = node("svg", { width: 3 * $("viewport").clientWidth, height: place.height, "aria-hidden": "true" });
    svg.style.top = `${place.top}px`;
    svg.dataset.row = row.id;
    svg.append(node("line", { class: "arc-base", x1: 0, x2: "100%", y1: middle, y2: middle }));
    const taken = []; // where numbers stand
    for (const group of groups) {
      const scale = tops[observed(group) ? "observed" : "predicted"];
      const room = (group.up ? middle : place.height - middle) - 13;
      const hint = row.predicted.length ? "\nClick for ISM" : "";
      drawGroup(svg, group, { scale, room, middle, px, region, unit: found.unit, view: base, taken, hint });
    }
    const failed = found.lists.find((list) => list.error);
    if (failed) svg.append(node("text", { class: "arc-number", x: 3 + $("viewport").clientWidth, y: 12 }, failed.error));
    layer().querySelector(`svg[data-row="${CSS.escape(row.id)}"]`)?.remove();
    layer().append(svg);
  }

  function drawGroup(svg, group, { scale, room, middle, px, region, unit, view, taken, hint }) {
    const shown = group.arcs
      .filter((arc) => Math.abs(arc.value) >= LEAST * scale && arc.value !== 0)
      .sort((a, b) => Math.abs(a.value) - Math.abs(b.value));
    const widest = Math.max(1, ...shown.map((arc) => Math.min(arc.end - arc.start, view.end - view.start)));
    const inView = (arc) => arc.start < view.end && arc.end > view.start;
    const labels = [];
    const numbered = new Set(shown.filter((arc) => inView(arc) && (!group.named || group.named(arc))).slice(-MOST_NUMBERS));
    for (const arc of shown) {
      const [x1, x2] = [(arc.start - region.start) * px, (arc.end - region.start) * px];
      const part = Math.min(1, (arc.end - arc.start) / widest);
      const height = room * (0.3 + 0.7 * Math.sqrt(part));
      const sign = group.up ? -1 : 1;
      const peak = middle + (sign * height * 4) / 3;
      const d = `M${x1} ${middle}C${x1} ${peak} ${x2} ${peak} ${x2} ${middle}`;
      const strength = Math.abs(arc.value) / scale;
      const path = node("path", { class: `arc ${group.kind} ${arc.strand === "-" ? "minus" : ""}`, d });
      path.style.strokeWidth = `${(0.75 + 4.25 * Math.sqrt(strength)).toFixed(2)}px`;
      const hit = node("path", { class: "arc-hit", d });
      const places = ls.intervalText(ls.state().base.chromosome, arc.start, arc.end);
      hit.append(node("title", {}, `${places} ${arc.strand}\n${group.name}: ${ls.valueText(arc.value)} ${unit}${hint}`));
      path.dataset.intron = `${arc.start}-${arc.end}`;
      arcOf.set(hit, arc);
      svg.append(path, hit);
      if (!numbered.has(arc) || x2 - x1 < 26) continue;
      const y = middle + sign * height + (group.up ? -2.5 : 9);
      labels.push({ x: (x1 + x2) / 2, y, text: ls.valueText(arc.value) });
    }
    // The strongest, which come last, before those that they would cover.
    while (labels.length) {
      const { x, y, text } = labels.pop();
      const half = (6.5 * text.length) / 2;
      if (taken.some((one) => Math.abs(one.y - y) < 11 && Math.abs(one.x - x) < one.half + half)) continue;
      taken.push({ x, y, half });
      svg.append(node("text", { class: `arc-number ${group.kind}`, x, y }, text));
    }
  }

  // The arc at the pointer and its row.
  function arcAt(event) {
    // The pointer is held by the page while a button is down, so the event does not say where it is.
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const hit = under && under.closest(".arc-hit");
    if (!hit) return null;
    const row = ls.state().view.rows.find((one) => one.id === hit.parentNode.dataset.row);
    return { row, arc: arcOf.get(hit) };
  }

  // Predicted introns of a row, of one strand where it is named, that have an end in view; the one
  // with the most reads first.
  function predictedArcs(row, strand = "") {
    const { view, base } = ls.state();
    const found = held.get(address(view, row));
    const inView = (place) => place >= base.start && place < base.end;
    return [...arcsOf(found ? found.lists : [], "predicted").values()]
      .filter((arc) => (!strand || arc.strand === strand) && (inView(arc.start) || inView(arc.end)))
      .sort((a, b) => b.value - a.value);
  }

  Object.assign(ls, { arcAt, predictedArcs });

  ls.on("drawn", ({ geometry: places, view }) => {
    geometry = places;
    layer().replaceChildren();
    arcRows(view).forEach((row) => paint(view, row));
  });
  ls.on("compare", () => {
    const { view } = ls.state();
    if (geometry) arcRows(view).forEach((row) => paint(view, row));
  });
})();
