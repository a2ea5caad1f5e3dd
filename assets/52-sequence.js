// The row of the reference sequence: bars or letters, and the reading frames of either strand.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const LETTER_PX = 6; // px a base from which a letter fits
  const CODON_PX = 9; // px a codon from which its amino acid fits
  const STRANDS = ["forward", "reverse", "both"];
  const PAIRS = { A: "T", C: "G", G: "C", T: "A", N: "N" };

  const lanesOf = (view) => view.figure.geometry.sequence.lanes;
  const number = (value) => String(Number(value.toFixed(2)));

  // Bases of one letter as one path, and all of its letters as one text with a place for each.
  function bases(piece, lane, { region, px }) {
    const found = {};
    [...piece.bases].forEach((base, i) => {
      const shown = lane.strand === "+" ? base : PAIRS[base];
      (found[shown] = found[shown] || []).push(piece.start + i - region.start);
    });
    const y = lane.top + lane.height - 4;
    const size = Math.min(13, px * 1.12);
    return Object.entries(found).map(([base, places]) => {
      const d = places.map((at) => `M${number(at * px)} ${lane.top + 1}h${number(px)}v${lane.height - 2}h${number(-px)}z`);
      const cells = `<path class="base-${base} ${px >= LETTER_PX ? "cell" : "bar"}" d="${d.join("")}"/>`;
      if (px < LETTER_PX) return cells;
      const x = places.map((at) => number((at + 0.5) * px)).join(" ");
      return `${cells}<text class="letter" style="font-size:${size}px" y="${y}" x="${x}">${base.repeat(places.length)}</text>`;
    });
  }

  const KINDS = { M: "start", "*": "stop" };

  // One reading frame: every other codon shaded, starts and stops marked.
  function codons(frame, lane, { region, px }) {
    const width = 3 * px;
    const parts = [];
    const paths = { even: [], start: [], stop: [] };
    const letters = { plain: [[], []], start: [[], []], stop: [[], []] };
    [...frame.amino_acids].forEach((amino, i) => {
      const start = frame.start + 3 * i;
      const left = (start - region.start) * px;
      const kind = KINDS[amino] || "";
      const cell = `M${number(left)} ${lane.top}h${number(width)}v${lane.height - 1}h${number(-width)}z`;
      if (kind) paths[kind].push(cell);
      else if (Math.floor(start / 3) % 2 === 0) paths.even.push(cell);
      const [x, text] = letters[kind || "plain"];
      x.push(number(left + width / 2));
      text.push(amino);
    });
    for (const [kind, d] of Object.entries(paths)) {
      if (d.length) parts.push(`<path class="codon ${kind}" d="${d.join("")}"/>`);
    }
    for (const [kind, [x, text]] of Object.entries(letters)) {
      if (!x.length || width < CODON_PX) continue;
      const y = lane.top + lane.height - 3.5;
      parts.push(`<text class="amino ${kind}" y="${y}" x="${x.join(" ")}">${text.join("")}</text>`);
    }
    return parts;
  }

  ls.on("states", (place) => {
    const { view } = ls.state();
    const { top, height } = view.figure.geometry.sequence;
    let svg = $("sequence");
    if (!svg) {
      svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.id = "sequence";
      svg.setAttribute("aria-hidden", "true");
      $("bands").before(svg);
    }
    const { sequence } = view;
    const parts = lanesOf(view).flatMap((lane) =>
      lane.frame === null
        ? sequence.pieces.flatMap((piece) => bases(piece, lane, place))
        : sequence.frames
            .filter((one) => one.strand === lane.strand && one.frame === lane.frame)
            .flatMap((one) => codons(one, lane, place)),
    );
    svg.style.top = `${top}px`;
    svg.setAttribute("width", $("world").clientWidth);
    svg.setAttribute("height", height);
    svg.innerHTML = parts.join("");
  });

  // ---- The label ----------------------------------------------------------------------------

  const SIGNS = { forward: "+", reverse: "\u2212", both: "\u00b1" };
  const WORDS = { forward: "Forward strand", reverse: "Reverse strand", both: "Both strands" };

  function button(text, title, run) {
    const node = make("button", "lane-switch", text);
    node.title = title;
    node.onclick = run;
    return node;
  }

  function nextStrand() {
    const { view } = ls.state();
    const next = STRANDS[(STRANDS.indexOf(view.strand) + 1) % STRANDS.length];
    ls.go({ strand: next });
    ls.toast(WORDS[next]);
  }

  function toggleFrames() {
    const { view } = ls.state();
    const frames = view.frames === "shown" ? "hidden" : "shown";
    ls.go({ frames });
    ls.toast(frames === "shown" ? "Reading frames shown, from 2 px a base on" : "Reading frames hidden");
  }

  ls.on("view", (view) => {
    const lanes = lanesOf(view);
    if (!lanes.length) return;
    const { top, height } = view.figure.geometry.sequence;
    const label = make("div", "row-label sequence");
    label.style.top = `${top}px`;
    label.style.height = `${height}px`;
    const main = lanes.find((lane) => lane.frame === null);
    const line = make("div", "sequence-head");
    line.style.top = `${main.top}px`;
    line.append(
      make("b", "", "Sequence"),
      button(SIGNS[view.strand], `${WORDS[view.strand]}: show the next (r)`, nextStrand),
      button("aa", "Show or hide the reading frames (f)", toggleFrames),
    );
    line.lastChild.setAttribute("aria-pressed", String(view.frames === "shown"));
    label.append(line);
    for (const lane of lanes) {
      if (lane.frame === null) continue;
      const name = make("span", "lane-name", `${lane.strand === "+" ? "+" : "\u2212"}${lane.frame + 1}`);
      name.style.top = `${lane.top}px`;
      name.title = "Reading frame: from the remainder of the first base's position divided by 3";
      label.append(name);
    }
    $("gutter").prepend(label); // as from top to bottom, so by Tab
  });

  // What the row shows at a position, in words; empty where it shows nothing.
  function sequenceAt(position) {
    const { view } = ls.state();
    if (!lanesOf(view).length) return "";
    const piece = view.sequence.pieces.find(
      (one) => one.start <= position && position < one.start + one.bases.length,
    );
    if (!piece) return "";
    const base = piece.bases[position - piece.start];
    const letters = {
      forward: base,
      reverse: `${PAIRS[base]} (\u2212)`,
      both: `${base} / ${PAIRS[base]} (\u2212)`,
    };
    return letters[view.strand];
  }

  Object.assign(ls, { nextStrand, toggleFrames, sequenceAt });
})();
