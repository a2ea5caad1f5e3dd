// Row labels, agreement badges, and what a row says while it has nothing to show.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  const SCALES = { linear: "", log: " ln", symlog: " symlog" };
  let tops = new Map(); // by row: the tops of its scales

  function label(row, place) {
    const node = make("div", "row-label");
    node.dataset.row = row.id;
    node.dataset.kind = row.kind;
    node.style.top = `${place.label.top}px`;
    node.style.height = `${place.label.height}px`;
    node.classList.toggle("guest", Boolean(row.host));
    node.classList.toggle("host", row.guests > 0);
    node.classList.toggle("single", !(row.predicted.length && row.observed.length));
    const head = make("div", "row-head");
    const colour = row.style.color || `var(--modality-${row.modality.toLowerCase()})`;
    node.style.setProperty("--chip", colour);
    const strand = { "+": " +", "-": " \u2212", "+-": " \u00b1" }[row.strand] || "";
    // In a simulated view every row wears the badge, and the names need not say it again.
    const { simulated } = ls.state().view;
    const name = row.biosample ? row.biosample.name : row.title;
    head.append(make("b", "", (simulated ? name.replace(" (simulated)", "") : name) + strand));
    const first = row.predicted[0] || row.observed[0];
    const own = row.predicted.length ? first.name : row.assay || first.name;
    // A name that only repeats the cell type says nothing new.
    const cell = row.biosample && row.biosample.name.replace(" (simulated)", "");
    const said = cell && [cell.replaceAll(" ", "-"), cell.split(" ").pop()].some((one) => own.startsWith(`${one}-`));
    const unit = row.features ? "" : row.unit;
    const last = !row.biosample ? unit : said ? "" : own;
    // What tells rows apart stands first, where there is no room for all.
    const what = [row.target, last && last.includes(row.label) ? "" : row.label, last].filter(Boolean);
    const detail = make("div", "row-detail", what.join(" \u00b7 "));
    const badge = make("button", "badge");
    badge.hidden = true;
    badge.onclick = () => ls.openAgreement(row.id);
    const menu = make("button", "row-menu", "\u22ef");
    menu.setAttribute("aria-label", `Settings of ${row.label} ${row.title}`);
    menu.onclick = (event) => ls.openMenu(row, event.currentTarget);
    head.append(make("span", "row-top"));
    node.append(head, detail, badge, make("span", "row-zero", "0"), menu);
    node.querySelector(".row-zero").hidden = row.kind !== "signal" || row.features;
    if (simulated) node.append(make("span", "row-simulated", "simulated"));
    node.title = [row.label, row.title, row.biosample && row.biosample.name, row.biosample && row.biosample.curie, row.unit]
      .filter(Boolean)
      .join(" \u00b7 ");
    return node;
  }

  ls.on("view", (view) => {
    const { geometry } = view.figure;
    const gutter = $("gutter");
    gutter.replaceChildren();
    const genes = make("div", "row-label genes");
    genes.style.top = `${geometry.genes.top}px`;
    genes.style.height = `${geometry.genes.height}px`;
    genes.append(make("b", "", "Genes"));
    if (geometry.genes.hidden) {
      genes.append(make("div", "row-detail", `${ls.number.format(geometry.genes.hidden)} more: zoom in`));
    }
    gutter.append(genes);
    view.rows.forEach((row, i) => gutter.append(label(row, geometry.rows[i])));
    $("canvas").style.height = `${geometry.height}px`;
    const messages = $("row-messages");
    messages.replaceChildren();
    view.rows.forEach((row, i) => {
      const place = geometry.rows[i];
      const node = make("div", "row-message");
      node.dataset.row = row.id;
      const stacked = row.kind === "signal" ? view.mode === "stacked" : row.part === "both";
      const half = row.predicted.length && row.observed.length && stacked;
      node.style.top = `${row.host ? place.label.top : place.top}px`;
      node.style.height = `${row.host ? place.label.height : half ? place.height / 2 : place.height}px`;
      messages.append(node);
    });
    $("no-rows").hidden = view.rows.length > 0;
    $("chromosome").textContent = view.locus.chrom;
  });

  ls.on("drawn", (detail) => {
    tops = detail.tops;
    for (const node of document.querySelectorAll(".row-label[data-row]")) {
      const top = tops.get(node.dataset.row);
      if (!top) continue;
      const parts = top.tops.filter((one) => one > 0).map(ls.valueText);
      if (top.difference !== null) parts.unshift(`\u00b1${ls.valueText(top.difference)}`);
      const text = parts.join(" | ");
      node.querySelector(".row-top").textContent = text + (text ? SCALES[top.scale] : "");
      node.querySelector(".row-top").title =
        top.difference !== null
          ? "Top and bottom of the scale of the difference, alternate \u2212 reference"
          : top.tops.length > 1
            ? "Top of the scale: predicted | observed"
            : "Top of the scale";
      // Where both strands share the row, 0 is in the middle.
      const pair = ls.state().view.rows.find((row) => row.id === node.dataset.row).strand === "+-";
      node.querySelector(".row-zero").hidden = !text || pair || top.difference !== null;
    }
  });

  ls.tops = () => tops;

  ls.on("agreement", (agreement) => {
    for (const node of document.querySelectorAll(".row-label[data-row]")) {
      const row = agreement.get(node.dataset.row);
      const badge = node.querySelector(".badge");
      if (node.dataset.kind !== "signal") continue;
      badge.hidden = !row;
      if (!row) continue;
      const pair = row.pairs[0];
      if (row.pairs.every((one) => one.pearson_log1p === null && one.spearman === null)) {
        const { progress } = ls.state();
        badge.hidden = Boolean(progress && !progress.complete); // there may be a value yet
        badge.textContent = "r: no value";
        badge.title = pair.reason;
        continue;
      }
      const two = (value) => (value === null ? "\u2013" : ls.correlationText(value));
      const all = (name) => row.pairs.map((one) => two(one[name])).join(" / ");
      const n = ls.number.format(pair.n);
      badge.textContent =
        row.pairs.length > 1
          ? `r ${all("pearson_log1p")} \u03c1 ${all("spearman")}`
          : `r ${all("pearson_log1p")} \u03c1 ${all("spearman")} n ${n}`;
      badge.title =
        `Agreement of predicted and observed${row.pairs.length > 1 ? ", + and \u2212 strand," : ""} ` +
        `over the ${n} bins in view: Pearson r of ln(1 + x), Spearman \u03c1. Click for more.`;
    }
  });

  ls.on("states", ({ progress, base }) => {
    for (const node of document.querySelectorAll(".row-message")) {
      const row = ls.state().view.rows.find((one) => one.id === node.dataset.row);
      node.replaceChildren();
      if (!row) continue;
      const text = rowMessage(row, progress, base);
      if (!text) continue;
      const failed = progress && progress.failed;
      const pill = make("span", failed ? "pill failed" : "pill");
      if (failed) {
        const again = make("button", "link", "Retry");
        again.onclick = () => ls.retry();
        pill.append(again, " ");
      }
      pill.append(text);
      pill.title = text;
      node.append(pill);
    }
  });

  function rowMessage(row, progress, base) {
    if (!row.predicted.length) return emptyMessage(row);
    if (!progress) return "";
    if (progress.failed) return progress.message;
    if (!progress.complete) return progress.message;
    const seen = progress.spans.filter((s) => s.start < base.end && s.end > base.start);
    const blank = seen
      .filter((s) => s.state === "unavailable")
      .reduce((sum, s) => sum + Math.min(s.end, base.end) - Math.max(s.start, base.start), 0);
    if (blank >= base.end - base.start) return "No prediction: the model needs sequence beyond this piece";
    return emptyMessage(row);
  }

  function emptyMessage(row) {
    const top = tops.get(row.id);
    if (row.error) return row.error;
    if (row.features) return "";
    return top && !top.tops.some((one) => one > 0) && !row.predicted.length ? "Nothing measured here" : "";
  }
})();
