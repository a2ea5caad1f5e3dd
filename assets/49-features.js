// Regions and variants of a visitor's file, one by one, in the lanes of their row. A click on a
// variant makes it an edit.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $ } = ls;
  const SVG = "http://www.w3.org/2000/svg";
  const PADDING_PX = 3;
  const LEAST_PX = 3;
  const LETTER_PX = 10; // size of a label; a lane that is lower has none
  const THIN = 0.5; // height of what is not thick, of a box
  const CHEVRON_PX = 14;

  function node(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function layer() {
    if (!$("features")) {
      const made = document.createElement("div");
      made.id = "features";
      $("world").append(made);
    }
    return $("features");
  }

  // ---- In words -------------------------------------------------------------------------------

  const isVariant = (one) => one.ref !== "";
  const variantText = (one) => `${ls.state().base.chromosome}:${one.start + 1}:${one.ref}>${one.alt}`;

  function featureWords(one) {
    const { chromosome } = ls.state().base;
    const place = ls.intervalText(chromosome, one.start, one.end);
    const words = [one.name, `${place} (${ls.widthText(one.end - one.start)})`];
    if (isVariant(one)) words.push(`${one.ref} > ${one.alt}`);
    if (one.strand !== ".") words.push(one.strand === "+" ? "+ strand" : "\u2212 strand");
    if (one.blocks.length > 1) words.push(`${one.blocks.length} blocks`);
    if (one.score) words.push(`score ${one.score}`);
    if (isVariant(one)) words.push(one.edit ? "Click to load it as an edit" : "Its alleles cannot be an edit");
    return words.filter(Boolean).join("\n");
  }

  // ---- What is drawn --------------------------------------------------------------------------

  // Parts of a feature, thick and thin: [start, end, whether it is thick].
  function parts(one) {
    const blocks = one.blocks.length ? one.blocks : [[one.start, one.end]];
    if (!one.thick) return blocks.map(([a, b]) => [a, b, true]);
    const [from, to] = one.thick;
    return blocks.flatMap(([a, b]) =>
      [
        [a, Math.min(b, from), false],
        [Math.max(a, from), Math.min(b, to), true],
        [Math.max(a, to), b, false],
      ].filter(([start, end]) => start < end),
    );
  }

  // Where there is room for arrows along the strand.
  function arrowsAt(one, x1, x2) {
    const [from, to] = [Math.max(x1, 0) + 5, x2 - 5];
    const steps = Math.floor((to - from) / CHEVRON_PX);
    if (one.strand === "." || to < from || steps > 400) return [];
    return Array.from({ length: steps + 1 }, (_, i) => from + (to - from - steps * CHEVRON_PX) / 2 + i * CHEVRON_PX);
  }

  function arrows(one, places, middle, stroke) {
    const dx = one.strand === "+" ? 2 : -2;
    const d = places.map((x) => `M${x - dx} ${middle - 2.5}L${x + dx} ${middle}L${x - dx} ${middle + 2.5}`).join("");
    return node("path", { d, class: "feature-strand", stroke, fill: "none" });
  }

  function paint(row, place, { lane, placed }) {
    const { base, region } = ls.state();
    const width = $("viewport").clientWidth;
    const px = width / (base.end - base.start);
    const x = (position) => Math.max(-LEAST_PX, Math.min(3 * width, (position - region.start) * px));
    const svg = node("svg", { width: 3 * width, height: place.height, role: "group" });
    svg.setAttribute("aria-label", `${row.title}, ${placed.length} features`);
    svg.style.top = `${place.top}px`;
    svg.dataset.row = row.id;
    const own = row.style.color || getComputedStyle(document.documentElement).getPropertyValue("--modality-own").trim();
    const height = Math.min(12, lane - 2);
    for (const one of placed) {
      const middle = PADDING_PX + (one.lane + 0.5) * lane;
      svg.append(isVariant(one) ? variant(one, { x, middle, height, base, own }) : feature(one, { x, middle, height, own, base }));
    }
    layer().append(svg);
  }

  function feature(one, { x, middle, height, own, base }) {
    const colour = one.colour || own;
    const group = node("g", { class: "own-feature", fill: colour, stroke: colour });
    const [x1, x2] = [x(one.start), Math.max(x(one.end), x(one.start) + LEAST_PX)];
    const boxes = parts(one).map(([start, end, thick]) => ({ left: x(start), right: x(end), thick }));
    if (one.blocks.length > 1) group.append(node("path", { d: `M${x1} ${middle}H${x2}` }));
    const least = boxes.length > 1 ? 1.5 : LEAST_PX;
    for (const { left, right, thick } of boxes) {
      const h = thick ? height : height * THIN;
      const place = { x: left, y: middle - h / 2, width: Math.max(right - left, least), height: h };
      group.append(node("rect", { ...place, stroke: "none" }));
    }
    const ink = ls.inkOn(ls.channels(colour));
    if (one.side !== "inside") {
      const at = arrowsAt(one, x1, x2);
      const boxed = (place) => boxes.some(({ left, right }) => left - 2 <= place && place <= right + 2);
      group.append(arrows(one, at.filter(boxed), middle, ink));
      group.append(arrows(one, at.filter((place) => !boxed(place)), middle, colour));
    }
    label(group, one, { x, x1, x2, middle, ink: one.side === "inside" ? ink : "", base });
    group.append(node("title", {}, featureWords(one)));
    return group;
  }

  function label(group, one, { x, x1, x2, middle, ink, base }) {
    if (!one.label || !one.side) return;
    const seen = Math.max(x1, x(base.start)) + 3;
    const at = { right: x2 + 3, left: x1 - 3, inside: seen, over: seen }[one.side];
    const text = node("text", { class: "feature-label", x: at, y: middle + LETTER_PX * 0.36, stroke: "none" }, one.label);
    if (one.side === "left") text.classList.add("left");
    if (ink) text.style.fill = ink;
    if (one.side === "over") {
      const halo = text.cloneNode(true);
      halo.classList.add("halo");
      halo.removeAttribute("stroke");
      group.append(halo);
    }
    group.append(text);
  }

  // The colour of a substitution is that of the new base.
  function variant(one, { x, middle, height, base, own }) {
    const fill = /^[ACGT]$/i.test(one.alt) && one.ref.length === 1 ? `var(--base-${one.alt.toLowerCase()})` : own;
    const [x1, x2] = [x(one.start), Math.max(x(one.end), x(one.start) + LEAST_PX)];
    const group = node("g", { class: "own-feature variant" });
    group.style.fill = fill;
    group.append(node("rect", { x: x1, y: middle - height / 2, width: x2 - x1, height }));
    label(group, one, { x, x1, x2, middle, ink: one.side === "inside" ? "#ffffff" : "", base });
    group.append(node("title", {}, featureWords(one)));
    if (!one.edit) return group;
    group.classList.add("loads");
    group.dataset.variant = variantText(one);
    if (one.end > base.start && one.start < base.end) group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `Load ${variantText(one)} as an edit`);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      ls.addEdit(group.dataset.variant);
    });
    return group;
  }

  // A click of the mouse; returns whether there was a variant that it has loaded.
  function clickFeature(event) {
    // The pointer is held by the page while a button is down, so the event does not say where it is.
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const found = under && under.closest(".own-feature.loads");
    if (found) ls.addEdit(found.dataset.variant);
    return Boolean(found);
  }

  ls.on("drawn", ({ geometry, view }) => {
    layer().replaceChildren();
    for (const row of view.rows) {
      const lanes = view.features[row.id];
      if (lanes) paint(row, geometry.rows.find((one) => one.id === row.id), lanes);
    }
  });

  Object.assign(ls, { clickFeature });
})();
