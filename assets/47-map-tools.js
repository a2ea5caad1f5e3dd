// The left margin of a contact map: what is drawn and how, the colours, the agreement.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { make } = ls;

  function choice(row, name, options, now) {
    const group = make("div", "map-choice");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
    for (const [text, label, change] of options) {
      const button = make("button", "", text);
      button.title = label;
      button.setAttribute("aria-label", label);
      button.setAttribute("aria-pressed", String(now === text));
      button.onclick = () => ls.restyle(row, change);
      group.append(button);
    }
    return group;
  }

  const PARTS = [
    ["Both", "Predicted above, observed below", { part: "both" }],
    ["Pred", "The predicted map alone", { part: "predicted" }],
    ["Obs", "The observed map alone", { part: "observed" }],
    ["Diff", "log2 of predicted over observed, each over what is expected at that distance", { part: "difference" }],
  ];
  const VALUES = [
    ["Contacts", "How often two places meet", { value: "signal" }],
    ["Obs/exp", "log2 of contacts over those expected at that distance", { value: "ratio" }],
  ];
  const partOf = { both: "Both", predicted: "Pred", observed: "Obs", difference: "Diff" };

  // Some networks predict ratios only, and a difference is one.
  const ratioOnly = (row) =>
    row.part === "difference" || (row.part !== "observed" && row.ratio_only);

  function choices(row) {
    const found = make("div", "map-choices");
    if (row.predicted.length && row.observed.length) {
      found.append(choice(row, "Which map", PARTS, partOf[row.part]));
    }
    if (!ratioOnly(row)) {
      found.append(choice(row, "What the colours mean", VALUES, row.value === "ratio" ? "Obs/exp" : "Contacts"));
    }
    found.append(
      choice(
        row,
        "Shape",
        [
          ["\u25e2\u25e3", "Triangle", { shape: "triangle", height: null }],
          ["\u25a0", "Square", { shape: "square", height: null }],
        ],
        row.style.shape === "square" ? "\u25a0" : "\u25e2\u25e3",
      ),
    );
    return found;
  }

  function legend(scale, unit, names) {
    const node = make("div", "map-legend");
    const bar = make("div", "map-bar");
    bar.style.background = `linear-gradient(90deg, ${ls.mapDraw.css(`--ramp-${scale.ramp}`)})`;
    const ends = make("div", "map-ends");
    const signed = scale.ramp === "ratio";
    const low = `${signed ? "\u2212" : "\u2264"}${ls.valueText(Math.abs(scale.low))}`;
    ends.append(make("span", "", low));
    if (signed) ends.append(make("span", "", "0"));
    ends.append(make("span", "", `${signed ? "+" : "\u2265"}${ls.valueText(scale.high)}`));
    const about = make("div", "map-unit", [names, unit].filter(Boolean).join(": "));
    about.title = `${unit}${signed ? "" : ", logarithmic colours"}`;
    node.append(bar, ends, about);
    return node;
  }

  function legends(one) {
    const drawn = one.maps.map((map, i) => ({ map, scale: one.scales[i] })).filter(({ map }) => map.n);
    if (!drawn.length) return [];
    const shared = drawn.every(({ scale }) => scale === drawn[0].scale);
    if (shared) return [legend(drawn[0].scale, drawn[0].map.unit, "")];
    return drawn.map(({ map, scale }) => legend(scale, map.unit, ls.maps.names[map.part]));
  }

  // What is marked in a map, in words, where there is anything.
  function marked(one, found) {
    const count = (name) => found.header[name].reduce((sum, set) => sum + set.marks.length, 0);
    const names = (name) => found.header[name].map((set) => set.name).join(", ");
    const boundaries = one.maps.some((map) => map.boundaries.length);
    const parts = [];
    if (boundaries) parts.push("\u25b2 boundaries");
    if (count("loops")) parts.push("\u25cb loops");
    if (count("domains")) parts.push("\u2227 domains");
    if (!parts.length || one.row.style.marks === "off") return null;
    const node = make("div", "map-marked", parts.join("  "));
    node.title = [
      boundaries && "Boundaries: minima of the diamond insulation score over 10 bins",
      count("loops") && `Loops: ${names("loops")}`,
      count("domains") && `Domains: ${names("domains")}`,
    ]
      .filter(Boolean)
      .join("\n");
    return node;
  }

  function agreement(node, found) {
    const badge = node.querySelector(".badge");
    const about = found && found.header.agreement;
    badge.hidden = !about || (found.header.partial && about.pearson === null);
    if (badge.hidden) return;
    badge.textContent =
      about.pearson === null ? "r: no value" : `r ${ls.correlationText(about.pearson)} n ${ls.number.format(about.n)}`;
    badge.title =
      about.reason ||
      `Agreement of predicted and observed over the ${ls.number.format(about.n)} pairs of different ` +
        "bins in view: Pearson r of log2 observed/expected, on the wider bins of the two.";
    badge.onclick = () => ls.toast(badge.title);
  }

  function mapTools(one, found) {
    const node = [...document.querySelectorAll(".row-label[data-kind=contacts]")].find(
      (label) => label.dataset.row === one.row.id,
    );
    if (!node) return;
    node.querySelectorAll(".map-tools, .strip-top").forEach((old) => old.remove());
    agreement(node, found);
    const tools = make("div", "map-tools");
    tools.append(choices(one.row), ...legends(one));
    const marks = found && !found.error && marked(one, found);
    if (marks) tools.append(marks);
    node.append(tools);
    if (!one.row.strip || !one.tops) return;
    const text = [...new Set(one.tops.filter((top) => top > 0).map(ls.valueText))].join(" | ");
    const top = make("span", "strip-top", text && found.header.value === "ratio" ? `\u00b1${text}` : text);
    top.title = "Top of the scale of the contacts of one place";
    top.style.bottom = `${one.row.strip - 14}px`;
    node.append(top);
  }

  // What the menu of a row offers for a contact map, as [words, what it does].
  function mapMenu(row) {
    const { view } = ls.state();
    const { marks } = row.style;
    return [
      [
        marks === "on" ? "Hide boundaries, loops, domains" : "Show boundaries, loops, domains",
        () => ls.restyle(row, { marks: marks === "on" ? "off" : "on" }),
      ],
      [
        view.anchor === null ? "Contacts of the place under the crosshair (4)" : "Without contacts of one place (4)",
        ls.toggleAnchor,
      ],
    ];
  }

  Object.assign(ls, { mapTools, mapMenu });
})();
