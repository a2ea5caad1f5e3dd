// `/variants`: scores several variants one after another, each by itself, and draws them together:
// a table, a needle plot (place against score), and a clustergram of variants and biosamples.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make, setProps } = ls;
  const POLL_MS = 300;
  const MOST_VARIANTS = 50;
  // Most columns of the clustergram that can be read side by side.
  const MOST_COLUMNS = 60;

  let found = []; // {edit, name, rows, message, failed}
  let asked = { genome: "", model: "", show: "" };
  let running = null;

  const keyOf = (edit) => (edit.kind === "variant" ? "variant" : "edit");
  const plain = (text) => (text || "").replace(" (simulated)", "");
  const choiceOf = (row) => `${row.output_type}:${row.scorer}`;
  const columnOf = (row) =>
    [plain(row.biosample_name), row.transcription_factor || row.histone_mark].filter(Boolean).join(" \u00b7 ") ||
    `${row.track_name} ${row.track_strand.replace(".", "")}`.trim();

  // ---- The link ---------------------------------------------------------------------------------

  function toQuery(edits) {
    const query = new URLSearchParams({ genome: asked.genome, model: asked.model });
    for (const edit of edits) query.append(keyOf(edit), edit.text);
    if (asked.show) query.set("show", asked.show);
    const theme = new URLSearchParams(window.location.search).get("theme");
    if (theme) query.set("theme", theme);
    return query;
  }

  function toBrowse(edit) {
    const { start, end } = edit;
    const place = { locus: ls.locusText(edit.chrom, Math.max(0, start - 2000), end + 2000), panel: "effects" };
    const query = new URLSearchParams({ genome: asked.genome, model: asked.model, ...place });
    query.append(keyOf(edit), edit.text);
    return `/browse?${query}`;
  }

  // ---- Where it begins --------------------------------------------------------------------------

  const served = () => Promise.all([ls.json("/api/v1/genomes"), ls.json("/api/v1/models")]);

  async function open() {
    setProps("mantine", { forceColorScheme: document.documentElement.dataset.theme });
    const params = new URLSearchParams(window.location.search);
    const [{ genomes }, { models }] = await served();
    if (!genomes.length) return;
    const genome = genomes.find((one) => one.id === params.get("genome")) || genomes[0];
    const suited = models.filter((one) => one.genomes.includes(genome.assembly) && !one.unavailable);
    const model = models.find((one) => one.id === params.get("model")) || suited[0] || models[0];
    const lines = [...params.getAll("variant"), ...params.getAll("edit")];
    setProps("variants-genome", { value: genome.id });
    setProps("variants-model", { value: model ? model.id : null });
    $("variants-box").value = lines.join("\n");
    $("variants-results").replaceChildren();
    if (!lines.length || !model) return;
    await score({ genome: genome.id, model: model.id, show: params.get("show") || "" }, lines);
  }

  function say(text, failed = false) {
    $("variants-message").textContent = text;
    $("variants-message").className = failed ? "error" : "muted";
  }

  const scoreLines = (text) => text.split("\n").filter((line) => line.trim() && !line.startsWith("#"));

  // ---- Scoring ----------------------------------------------------------------------------------

  // `remember` puts what is scored into the link, as soon as it has been read.
  async function score(wanted, lines, remember = false) {
    if (running) running.abort();
    running = new AbortController();
    const { signal } = running;
    asked = wanted;
    try {
      await showOrigin();
      found = await read(lines.slice(0, MOST_VARIANTS), signal);
      frame();
      if (remember && edits().length) window.history.pushState(null, "", `?${toQuery(edits())}`);
      for (const [i, one] of found.entries()) {
        if (!one.failed) {
          say(`Scoring ${i + 1} of ${found.length}`);
          await scoreOne(one, signal);
          draw();
        }
      }
      const cut = lines.length > MOST_VARIANTS ? ` The first ${MOST_VARIANTS} of ${ls.number.format(lines.length)}.` : "";
      const scored = found.filter((one) => one.rows.length).length;
      say(`${scored} of ${found.length} scored.${cut}`);
      await drawClusters(signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      say(error.message, true);
    }
  }

  // Says whether the genome is simulated, and what the licence of the model forbids.
  async function showOrigin() {
    const [{ genomes }, { models }] = await served();
    const genome = genomes.find((one) => one.id === asked.genome);
    const model = models.find((one) => one.id === asked.model);
    const simulated = [genome, model].some((one) => one && one.simulated);
    document.body.classList.toggle("simulated", simulated);
    $("variants-licence").textContent = (model && model.licence_note) || "";
  }

  // Reads each line by itself: two variants of one place are no haplotype here.
  async function read(lines, signal) {
    const all = [];
    for (const line of lines) {
      try {
        const { edits } = await ls.post("/api/v1/edits", { genome: asked.genome, text: line }, signal);
        for (const edit of edits) all.push({ edit, name: edit.text, rows: [], message: "Waiting", failed: false });
      } catch (error) {
        if (!(error instanceof ls.ServerError)) throw error;
        all.push({ edit: null, name: line.slice(0, 60), rows: [], message: error.message, failed: true });
      }
    }
    const once = new Map(all.map((one) => [one.name, one]));
    return [...once.values()];
  }

  async function scoreOne(one, signal) {
    const { edit } = one;
    const query = new URLSearchParams({ genome: asked.genome, model: asked.model });
    query.set("locus", ls.locusText(edit.chrom, edit.start, edit.end));
    query.append(keyOf(edit), edit.text);
    try {
      let answer;
      do {
        answer = await ls.post("/api/v1/effects", { query: query.toString() }, signal);
        one.message = answer.message;
        one.failed = answer.failed;
        showTable();
        if (!answer.complete && !answer.failed) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        if (signal.aborted) throw new DOMException("", "AbortError");
      } while (!answer.complete && !answer.failed);
      one.rows = answer.rows;
      one.provenance = answer.provenance;
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      Object.assign(one, { message: error.message, failed: true });
    }
  }

  // ---- The frame and the table ------------------------------------------------------------------

  function heading(text) {
    const title = make("h2", "", `${text} `);
    title.append(make("span", "simulated-badge", "simulated"));
    return title;
  }

  function frame() {
    const choice = make("label", "variants-show", "Score ");
    const select = make("select");
    select.id = "variants-show";
    select.onchange = () => {
      asked.show = select.value;
      window.history.replaceState(null, "", `?${toQuery(edits())}`);
      draw();
      drawClusters(running.signal);
    };
    choice.append(select);
    const host = (id) => Object.assign(make("div"), { id });
    const file = make("button", "tool", "Download TSV");
    file.onclick = download;
    $("variants-results").replaceChildren(
      heading("Each variant"),
      host("variants-table"),
      file,
      choice,
      heading("Place and score"),
      Object.assign(make("p", "muted", "No score of this kind yet."), { id: "variants-none" }),
      host("variants-needles"),
      heading("Variants and biosamples"),
      host("variants-clusters"),
    );
    draw();
  }

  const edits = () => found.filter((one) => one.edit).map((one) => one.edit);

  const strongest = (rows) => rows.reduce((a, b) => (a && Math.abs(a.raw_score) >= Math.abs(b.raw_score) ? a : b), null);
  const ofChoice = (one) => one.rows.filter((row) => choiceOf(row) === asked.show);
  const scoreText = (value) => ls.valueText(value).replaceAll("-", "\u2212");

  function showTable() {
    const table = make("table", "plain");
    const head = make("tr");
    for (const text of ["Variant", "Strongest in", "Gene", "Score"]) head.append(make("th", "", text));
    table.append(head, ...found.map(line));
    $("variants-table").replaceChildren(table);
  }

  function line(one) {
    const row = make("tr");
    const name = make("td");
    row.append(name);
    if (one.edit) {
      const link = make("a", "", one.edit.label);
      link.href = toBrowse(one.edit);
      name.append(link, " ", make("span", "muted", one.edit.detail));
    } else {
      name.append(one.name);
    }
    const best = strongest(ofChoice(one));
    if (best) {
      row.append(make("td", "", columnOf(best)), make("td", "", best.gene_name || ""), make("td", "score", scoreText(best.raw_score)));
      return row;
    }
    const none = one.rows.length ? "No score of this kind, as no gene starts near it" : one.message;
    const said = make("td", one.failed ? "error" : "muted", none);
    said.colSpan = 3;
    row.append(said);
    return row;
  }

  // The kinds of scores, changes before levels; the first one with biosamples is shown first.
  function showChoices() {
    const kinds = new Map();
    for (const row of found.flatMap((one) => one.rows)) if (!kinds.has(choiceOf(row))) kinds.set(choiceOf(row), row);
    const late = (row) => (/ACTIVE/.test(row.scorer) ? 1 : 0);
    const all = [...kinds].sort(([, a], [, b]) => late(a) - late(b) || a.order - b.order);
    if (!kinds.has(asked.show) && all.length) [asked.show] = all.find(([, row]) => row.signed && row.biosample_name) || all[0];
    const select = $("variants-show");
    select.replaceChildren(
      ...all.map(([key, row]) => Object.assign(make("option", "", `${row.label}: ${row.scorer}, ${row.score_unit}`), { value: key })),
    );
    select.value = asked.show;
  }

  function draw() {
    showChoices();
    showTable();
    drawNeedles();
  }

  // ---- Drawing ----------------------------------------------------------------------------------

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const CONFIG = { displayModeBar: false, responsive: true };

  function base() {
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("ink"), size: 11, family: getComputedStyle(document.body).fontFamily },
      showlegend: false,
      dragmode: false,
    };
  }

  // One panel a chromosome, all with the same scale of scores.
  function drawNeedles() {
    const host = $("variants-needles");
    const points = found.map((one) => ({ one, best: strongest(ofChoice(one)) })).filter(({ best }) => best);
    $("variants-none").hidden = points.length > 0;
    host.hidden = points.length === 0;
    if (!points.length) return;
    const chromosomes = [...new Set(points.map(({ one }) => one.edit.chrom))];
    const layout = { ...base(), margin: { l: 56, r: 12, t: 24, b: 40 }, hovermode: "closest" };
    const line = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: true, zerolinecolor: colour("muted") };
    layout.yaxis = { ...line, title: { text: points[0].best.score_unit }, fixedrange: true };
    const gap = 0.02;
    const width = (1 - gap * (chromosomes.length - 1)) / chromosomes.length;
    const traces = chromosomes.flatMap((chrom, i) => {
      const axis = i ? `x${i + 1}` : "x";
      const from = i * (width + gap);
      const mine = points.filter(({ one }) => one.edit.chrom === chrom);
      const places = mine.map(({ one }) => one.edit.start + 1);
      const margin = Math.max(20, (Math.max(...places) - Math.min(...places)) * 0.08);
      layout[axis.replace("x", "xaxis")] = {
        ...line,
        zeroline: false,
        domain: [from, Math.min(1, from + width)],
        range: [Math.min(...places) - margin, Math.max(...places) + margin],
        title: { text: chrom },
        tickformat: ",d",
        nticks: Math.max(4, Math.round(8 / chromosomes.length)),
        fixedrange: true,
      };
      return needles(mine, places, axis);
    });
    window.Plotly.react(host, traces, layout, CONFIG);
    host.removeAllListeners("plotly_click");
    host.on("plotly_click", (event) => {
      const address = event.points[0].customdata;
      if (address) window.location.assign(address);
    });
  }

  function needles(mine, places, axis) {
    const heights = mine.map(({ best }) => best.raw_score);
    const tone = ({ best }) => (best.signed ? colour(best.raw_score < 0 ? "loss" : "gain") : colour("muted"));
    const stems = {
      type: "scatter",
      mode: "lines",
      x: places.flatMap((place) => [place, place, null]),
      y: heights.flatMap((height) => [0, height, null]),
      xaxis: axis,
      line: { color: colour("muted"), width: 1 },
      hoverinfo: "skip",
    };
    const heads = {
      type: "scatter",
      mode: "markers",
      x: places,
      y: heights,
      xaxis: axis,
      customdata: mine.map(({ one }) => toBrowse(one.edit)),
      text: mine.map(({ one, best }) => `${one.edit.label}<br>${columnOf(best)} ${best.gene_name || ""}: ${scoreText(best.raw_score)}`),
      hovertemplate: "%{text}<extra></extra>",
      marker: { size: 10, color: mine.map(tone), symbol: heights.map((height) => (height < 0 ? "triangle-down" : "triangle-up")) },
    };
    return [stems, heads];
  }

  // ---- The clustergram --------------------------------------------------------------------------

  // The strongest score of each variant in each column; only columns that all of them have.
  function matrix() {
    const lines = found
      .map((one) => {
        const cells = new Map();
        for (const row of ofChoice(one)) {
          const known = cells.get(columnOf(row));
          if (!known || Math.abs(row.raw_score) > Math.abs(known)) cells.set(columnOf(row), row.raw_score);
        }
        return { name: one.name, cells };
      })
      .filter(({ cells }) => cells.size);
    const shared = lines.length ? [...lines[0].cells.keys()].filter((name) => lines.every(({ cells }) => cells.has(name))) : [];
    const size = (name) => Math.max(...lines.map(({ cells }) => Math.abs(cells.get(name))));
    const columns = shared.sort((a, b) => size(b) - size(a)).slice(0, MOST_COLUMNS);
    return { lines, columns, all: shared.length };
  }

  async function drawClusters(signal) {
    const host = $("variants-clusters");
    const { lines, columns, all } = matrix();
    const note = (text) => host.replaceChildren(make("p", "muted", text));
    if (lines.length < 2 || columns.length < 2) return note("Two variants and two biosamples at least, with scores of this kind, can be clustered.");
    note("Clustering");
    const values = lines.map(({ cells }) => columns.map((name) => cells.get(name)));
    const wanted = asked.show;
    let figure;
    try {
      figure = await ls.post("/api/v1/clustergram", { rows: lines.map(({ name }) => name), columns, values }, signal);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      if (!(error instanceof ls.ServerError)) throw error;
      return note(error.message);
    }
    if (asked.show !== wanted || signal.aborted) return undefined;
    const plot = make("div");
    plot.style.height = `${Math.max(260, 24 * lines.length + 206)}px`;
    host.replaceChildren(plot);
    const few = columns.length < all ? ` The ${columns.length} of ${ls.number.format(all)} columns that change most.` : "";
    host.append(make("p", "muted small", `Strongest score of each variant; joined by Euclidean distance, complete linkage.${few}`));
    const unit = found.flatMap(ofChoice)[0].score_unit;
    inOurColours(figure, unit, new Map(lines.map(({ name, cells }) => [name, cells])));
    return window.Plotly.newPlot(plot, figure.data, figure.layout, CONFIG);
  }

  function inOurColours(figure, unit, cells) {
    const heat = figure.data.find((trace) => trace.type === "heatmap");
    const axisOf = (which) => figure.layout[heat[`${which}axis`].replace(which, `${which}axis`)];
    const [across, down] = [axisOf("x"), axisOf("y")];
    const top = Math.max(...[...cells.values()].flatMap((line) => [...line.values()].map(Math.abs)));
    for (const trace of figure.data) {
      if (trace !== heat) Object.assign(trace, { line: { color: colour("muted"), width: 1 }, hoverinfo: "skip" });
    }
    Object.assign(heat, {
      zmin: -top,
      zmax: top,
      colorscale: ["loss", "paper", "gain"].map((name, i) => [i / 2, colour(name)]),
      colorbar: { title: { text: unit, side: "top", font: { size: 11 } }, orientation: "h", thickness: 8, len: 0.3, outlinewidth: 0, x: 1, xanchor: "right", y: 1.01, yanchor: "bottom" },
      text: down.ticktext.map((name) => across.ticktext.map((column) => `${name}<br>${column}: ${scoreText(cells.get(name).get(column))}`)),
      hovertemplate: "%{text}<extra></extra>",
    });
    for (const [name, axis] of Object.entries(figure.layout)) {
      if (/^[xy]axis/.test(name)) axis.fixedrange = true;
    }
    Object.assign(across, { tickangle: -40, automargin: true });
    Object.assign(down, { automargin: true });
    const { template, width, height, ...layout } = figure.layout;
    figure.layout = { ...layout, ...base(), margin: { l: 8, r: 8, t: 60, b: 8 } };
  }

  // ---- The file ---------------------------------------------------------------------------------

  const COLUMNS = [
    ...["variant_id", "scored_interval", "gene_id", "gene_name", "gene_strand", "junction_Start", "junction_End"],
    ...["output_type", "variant_scorer", "track_name", "track_strand", "Assay title", "ontology_curie", "biosample_name"],
    ...["transcription_factor", "histone_mark", "raw_score", "score_unit", "track_id"],
  ];

  function download() {
    const scored = found.filter((one) => one.rows.length);
    if (!scored.length) return;
    const { interval, edits: made, ...about } = scored[0].provenance;
    const lines = Object.entries(about).map(([key, value]) => `# ${key}: ${value}`);
    lines.push(...found.filter((one) => one.failed).map((one) => `# not scored: ${one.name}: ${one.message}`));
    lines.push(COLUMNS.join("\t"));
    for (const row of scored.flatMap((one) => one.rows)) lines.push(COLUMNS.map((name) => row[name] ?? "").join("\t"));
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/tab-separated-values" }));
    link.download = "variants.tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // ---- Dash's clientside callbacks --------------------------------------------------------------

  Object.assign(window.dash_clientside.controls, {
    scoreVariants: (clicks, genome, model) => {
      if (!clicks || !genome || !model) return;
      const lines = scoreLines($("variants-box").value);
      if (!lines.length) {
        say("Type or paste a variant first.", true);
        return;
      }
      score({ genome, model, show: asked.show }, lines, true);
    },
  });

  if (document.documentElement.dataset.page === "variants") {
    ls.once(() => $("variants-results")).then(() => {
      open();
      window.addEventListener("popstate", open);
    });
  }
})();
