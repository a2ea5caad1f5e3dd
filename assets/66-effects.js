// What the edits of the view do to every track of its model: the drawer "Effects".
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make, setProps } = ls;
  const POLL_MS = 300;
  const GRID = "/_dash-component-suites/dash_ag_grid/dash_ag_grid.min.js";
  // Most biosamples that the summary has room for.
  const MOST_COLUMNS = 12;
  // Log ratios below this are pale even where nothing on their line is stronger.
  const LEAST_SCALE = 0.1;

  let wanted = ""; // the edits of which the scores are shown or being computed
  let asking = null;
  let scored = { rows: [], genes: {} };

  const keyOf = (view) =>
    [view.genome.id, view.model ? view.model.id : "", view.locus.chrom, ...view.edits.map((one) => one.text)].join("|");

  const isOpen = () => !$("drawer").hidden && !$("effects-panel").hidden;

  function toggle() {
    const { view } = ls.state();
    if (isOpen()) ls.closeDrawer();
    else if (view.panel === "effects") show(view);
    else ls.go({ panel: "effects" });
  }

  function show(view) {
    if (!isOpen()) ls.openDrawer("Effects of edits", "effects-panel");
    if (wanted === keyOf(view)) return;
    if (asking) asking.abort();
    wanted = keyOf(view);
    asking = new AbortController();
    ask(view, asking.signal);
  }

  async function ask(view, signal, retry = false) {
    say(view, { message: "Asking" });
    setRows([]);
    $("effects-map").replaceChildren();
    $("effects-splicing").replaceChildren();
    try {
      let answer;
      do {
        answer = await ls.post("/api/v1/effects", { query: view.query, retry }, signal);
        retry = false;
        say(view, answer);
        if (!answer.complete && !answer.failed) {
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
      } while (!answer.complete && !signal.aborted && isOpen());
      if (!answer.complete || signal.aborted) {
        if (!signal.aborted) wanted = "";
        return;
      }
      scored = { ...answer, rows: answer.rows.map(asRow).sort(inOrder) };
      await loadGrid();
      if (signal.aborted) return;
      showDeltas(answer.splicing);
      setRows(scored.rows);
      drawSummary(scored.rows);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      say(view, { failed: true, message: error.message });
      wanted = "";
    }
  }

  // The page of several variants, with those of this view.
  function variantsQuery(view, own) {
    const query = new URLSearchParams({ genome: view.genome.id, model: view.model.id });
    for (const one of own) query.append(one.kind === "variant" ? "variant" : "edit", one.text);
    return query;
  }

  // ---- What stands above the table -------------------------------------------------------------

  function say(view, answer) {
    const about = $("effects-about");
    const { model } = view;
    const own = view.edits.filter((one) => one.chrom === view.locus.chrom);
    about.replaceChildren();
    if (own.length) about.append(make("p", "", own.map((one) => one.label).join(", ")));
    if (model) {
      const checked = `${model.title}, numbers checked by ${model.validation}`;
      about.append(make("p", "muted small", checked));
      if (model.licence_note) about.append(make("p", "licence-note", model.licence_note));
    }
    const line = make("p", answer.failed ? "error" : "");
    line.setAttribute("role", answer.failed ? "alert" : "status");
    about.append(line);
    if (answer.complete && !answer.failed) {
      line.textContent = `${ls.number.format(answer.rows.length)} scores`;
      const file = make("a", "tool", "Download TSV");
      file.href = `/api/v1/effects.tsv?${view.query}`;
      file.download = "effects.tsv";
      const others = make("a", "tool", "Compare with other variants");
      others.href = `/variants?${variantsQuery(view, own)}`;
      line.append(" ", file, others);
      return;
    }
    line.textContent = answer.message;
    if (answer.failed && model && own.length) {
      const again = make("button", "tool", "Retry");
      again.onclick = () => {
        asking = new AbortController();
        wanted = keyOf(view);
        ask(view, asking.signal, true);
      };
      line.append(" ", again);
    }
  }

  // ---- The delta scores of SpliceAI ------------------------------------------------------------

  function showDeltas(splicing) {
    const host = $("effects-splicing");
    host.replaceChildren();
    if (!splicing) return;
    host.append(make("h3", "", "SpliceAI delta scores"));
    if (splicing.problem) host.append(make("p", "", `None: ${splicing.problem}.`));
    for (const one of splicing.scores) host.append(deltaTable(one));
    const bp = ls.number.format(splicing.distance);
    host.append(
      make(
        "p",
        "muted small",
        `Largest gain and loss within ${bp} bp, not masked. As the authors' tool does, they are read ` +
          "with N outside the transcript, so tracks may differ more or less. Click a place to go there.",
      ),
    );
  }

  function deltaTable(one) {
    const table = make("table", "plain deltas");
    table.append(make("caption", "", `${one.gene} (${one.strand})`));
    for (const delta of one.deltas) {
      const line = make("tr");
      const place = make("button", "link", delta.text);
      place.onclick = () => goTo(delta);
      const cell = make("td");
      const { offset } = delta;
      const signed = `${offset > 0 ? "+" : offset < 0 ? "\u2212" : ""}${Math.abs(offset)} bp`;
      cell.append(place);
      const head = make("th", "", delta.name);
      head.scope = "row";
      line.append(head, make("td", "", delta.what), make("td", "score", delta.score.toFixed(2)));
      line.append(make("td", "score", signed), cell);
      table.append(line);
    }
    return table;
  }

  // Puts the crosshair on a place, and the place into the middle of the view if it is not in view.
  async function goTo({ position }) {
    const { base } = ls.state();
    if (position < base.start || position >= base.end) {
      const width = base.end - base.start;
      const start = Math.max(0, Math.round(position - width / 2));
      await ls.go({ locus: ls.locusText(base.chromosome, start, start + width) });
    }
    ls.crosshairTo(position);
  }

  // ---- The table -------------------------------------------------------------------------------

  function asRow(row, index) {
    const name = row.transcription_factor || row.histone_mark || row["Assay title"] || row.track_name;
    return {
      ...row,
      key: String(index),
      modality: row.label,
      biosample: (row.biosample_name || "").replace(" (simulated)", ""),
      track: `${name} ${row.track_strand.replace(".", "")}`.trim(),
      gene: row.gene_name || "",
      score: row.raw_score,
      about: `${row.variant_scorer}: ${row.score_unit}`,
    };
  }

  // Changes before levels, then as the scorers come, the strongest first.
  function inOrder(a, b) {
    const rank = (row) => (/ACTIVE/.test(row.scorer) ? 1 : 0);
    return rank(a) - rank(b) || a.order - b.order || Math.abs(b.score) - Math.abs(a.score);
  }

  const text = (field, headerName, width) => ({
    field,
    headerName,
    width,
    filter: "agTextColumnFilter",
    floatingFilter: true,
    suppressFloatingFilterButton: true,
    tooltipField: "about",
  });

  const COLUMNS = [
    text("modality", "Modality", 80),
    { ...text("biosample", "Biosample", 92), flex: 1.2, minWidth: 84 },
    text("track", "Track", 80),
    text("gene", "Gene", 62),
    { ...text("scorer", "Scorer", 128), flex: 1.4, minWidth: 76 },
    {
      field: "score",
      headerName: "Score",
      width: 64,
      type: "rightAligned",
      filter: "agNumberColumnFilter",
      floatingFilter: true,
      suppressFloatingFilterButton: true,
      tooltipField: "about",
      valueFormatter: { function: "d3.format('.3~g')(params.value)" },
    },
  ];

  // The library of the table has 1.3 MB, so it comes when a table does.
  let loaded = null;
  function loadGrid() {
    loaded ||= new Promise((resolve, reject) => {
      const script = make("script");
      script.src = GRID;
      script.onload = resolve;
      script.onerror = () => reject(new ls.ServerError(0, { message: "The table could not be loaded. Reload the page." }));
      document.head.append(script);
    });
    return loaded;
  }

  function setRows(rows) {
    if ($("effects-grid")) {
      setProps("effects-grid", { rowData: rows, filterModel: {} });
      return;
    }
    if (!rows.length) return;
    const props = {
      id: "effects-grid",
      rowData: rows,
      columnDefs: COLUMNS,
      getRowId: "params.data.key",
      defaultColDef: { sortable: true, resizable: true, suppressHeaderMenuButton: true, suppressHeaderFilterButton: true },
      dashGridOptions: {
        rowHeight: 26,
        headerHeight: 28,
        floatingFiltersHeight: 30,
        tooltipShowDelay: 400,
        suppressCellFocus: false,
        theme: {
          function:
            "themeBalham.withParams({backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)', " +
            "headerBackgroundColor: 'var(--panel)', headerTextColor: 'var(--muted)', " +
            "borderColor: 'var(--line)', accentColor: 'var(--accent)', oddRowBackgroundColor: 'var(--paper)', " +
            "rowHoverColor: 'var(--panel)', inputBackgroundColor: 'var(--paper)', inputTextColor: 'var(--ink)', " +
            "browserColorScheme: 'inherit', fontFamily: 'inherit', fontSize: 12, cellHorizontalPadding: 6})",
        },
      },
      style: { height: "100%", width: "100%" },
    };
    setProps("effects-table", { children: { namespace: "dash_ag_grid", type: "AgGrid", props } });
  }

  function bindTable() {
    const host = $("effects-table");
    const rowOf = (event) => {
      const line = event.target.closest(".ag-row");
      return line && scored.rows.find((row) => row.key === line.getAttribute("row-id"));
    };
    host.addEventListener("click", (event) => bring(rowOf(event)));
    host.addEventListener("keydown", (event) => {
      if (event.key === "Enter") bring(rowOf(event));
    });
  }

  // Shows the row of a score, and its gene beside the edit.
  async function bring(row) {
    if (!row) return;
    const { view, base } = ls.state();
    const change = {};
    const ids = view.rows.map((one) => one.id);
    if (row.row && !ids.includes(row.row)) {
      change.track = [...ids, row.row];
      change.hide = null;
    }
    const gene = scored.genes[row.gene];
    const edit = view.edits.find((one) => one.chrom === view.locus.chrom);
    const [start, end] = gene
      ? [Math.min(gene[0], edit.start), Math.max(gene[1], edit.end)]
      : [edit.start, edit.end];
    if (start < base.start || end > base.end) {
      const margin = Math.round(Math.max((end - start) * 0.08, 200));
      change.locus = ls.locusText(view.locus.chrom, Math.max(0, start - margin), end + margin);
    }
    if (Object.keys(change).length) await ls.go(change);
    flash(row.row);
  }

  function flash(id) {
    const label = id && document.querySelector(`[data-row="${CSS.escape(id)}"]`);
    if (!label) return;
    label.scrollIntoView({ block: "nearest", behavior: "smooth" });
    label.classList.remove("flash");
    void label.offsetWidth; // begins the animation anew
    label.classList.add("flash");
  }

  // ---- The summary -----------------------------------------------------------------------------

  // The strongest change of each modality in each biosample, of the scorer that is recommended first.
  function strongest(rows) {
    const cells = new Map();
    for (const row of rows) {
      if (/ACTIVE|PA_QTL/.test(row.scorer)) continue;
      const key = `${row.modality}|${row.biosample}`;
      const known = cells.get(key);
      if (!known || Math.abs(row.score) > Math.abs(known.score)) cells.set(key, row);
    }
    return cells;
  }

  // Colours of a cell from -1 over 0 to 1, by whether its score has a sign.
  const RAMPS = { true: ["loss", "paper", "gain"], false: ["muted", "paper", "muted"] };

  function cellColour({ signed }, value, colour) {
    const [less, none, more] = RAMPS[signed].map((name) => ls.channels(colour(name)));
    const end = value < 0 ? less : more;
    return none.map((from, i) => from + (end[i] - from) * Math.min(1, Math.abs(value)));
  }

  function drawSummary(rows) {
    const host = $("effects-map");
    const cells = strongest(rows);
    const found = [...cells.values()];
    const modalities = [...new Set(found.map((row) => row.modality))];
    const most = new Map();
    for (const row of found) {
      if (row.biosample) most.set(row.biosample, Math.max(most.get(row.biosample) || 0, Math.abs(row.score)));
    }
    const all = [...most.keys()];
    const names = all.length > MOST_COLUMNS ? all.sort((a, b) => most.get(b) - most.get(a)).slice(0, MOST_COLUMNS) : all;
    if (found.some((row) => !row.biosample)) names.push("");
    host.replaceChildren();
    if (found.length < 2) return; // the table says it
    const plot = make("div");
    host.append(plot);
    if (names.length < all.length) {
      host.append(make("p", "muted small", `The ${MOST_COLUMNS} of ${ls.number.format(all.length)} biosamples that change most.`));
    }
    host.append(
      make(
        "p",
        "muted small",
        "Strongest score of each modality and biosample; colour relative to the strongest of its line, since " +
          "units differ; grey where a score has no sign. Click a cell for its scores, a line for its track.",
      ),
    );
    const at = (modality, name) => cells.get(`${modality}|${name}`);
    const rounded = (score) => (Math.abs(score) < 0.001 ? score.toExponential(0) : String(Number(score.toPrecision(2))));
    const label = (row) => (row ? rounded(row.score).replaceAll("-", "\u2212") : "");
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(`--${name}`).trim();
    const places = (value) => modalities.map((modality) => names.map((name) => value(at(modality, name), modality)));
    const top = (modality) => {
      const line = names.map((name) => at(modality, name)).filter(Boolean);
      // Of a modality whose biosamples are not among those shown there is no cell.
      const least = line.some((row) => row.signed) ? LEAST_SCALE : Number.MIN_VALUE;
      return Math.max(least, ...line.map((row) => Math.abs(row.score)));
    };
    const tops = new Map(modalities.map((one) => [one, top(one)]));
    // Scores without a sign are grey: they are neither gain nor loss.
    const heat = (sign) => ({
      type: "heatmap",
      x: names,
      y: modalities,
      z: places((row, modality) => (row && row.signed === sign ? row.score / tops.get(modality) : null)),
      hovertext: places((row) => (row ? `${row.track} ${row.gene}<br>${row.scorer}: ${label(row)}` : "")),
      hovertemplate: "%{y} %{x}<br>%{hovertext}<extra></extra>",
      hoverongaps: false,
      zmin: -1,
      zmax: 1,
      colorscale: RAMPS[sign].map((name, i) => [i / 2, colour(name)]),
      showscale: false,
      xgap: 1,
      ygap: 1,
    });
    // The library's own numbers have too little contrast with some cells.
    const shown = found.filter((row) => names.includes(row.biosample));
    const inks = shown.map((row) => ls.inkOn(cellColour(row, row.score / tops.get(row.modality), colour)));
    const numbers = {
      type: "scatter",
      mode: "text",
      x: shown.map((row) => row.biosample),
      y: shown.map((row) => row.modality),
      text: shown.map(label),
      textfont: { size: 10, color: inks },
      hoverinfo: "skip",
    };
    const short = (name) => (name.length > 15 ? `${name.slice(0, 14)}\u2026` : name || "all cells");
    const axis = { type: "category", fixedrange: true, showgrid: false, ticks: "" };
    window.Plotly.newPlot(
      plot,
      [heat(true), heat(false), numbers],
      {
        height: 19 * modalities.length + 60,
        margin: { l: 104, r: 4, t: 0, b: 60 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: colour("ink"), size: 11 },
        xaxis: { ...axis, tickangle: -32, tickmode: "array", tickvals: names, ticktext: names.map(short), range: [-0.5, names.length - 0.5] },
        yaxis: { ...axis, range: [modalities.length - 0.5, -0.5] },
        dragmode: false,
      },
      { displayModeBar: false, responsive: true },
    );
    plot.on("plotly_click", ({ points }) => {
      const equals = (filter) => ({ filterType: "text", type: "equals", filter });
      const name = points[0].x === "" ? { filterType: "text", type: "blank" } : equals(points[0].x);
      setProps("effects-grid", { filterModel: { modality: equals(points[0].y), biosample: name } });
    });
  }

  // ---- Where it begins -------------------------------------------------------------------------

  ls.on("settled", (view) => {
    ls.page.then(() => {
      if (ls.state().view !== view) return;
      if (view.panel === "effects") show(view);
      else if (isOpen()) ls.closeDrawer();
    });
  });

  function leave() {
    const { view } = ls.state();
    if (view && view.panel === "effects") ls.go({ panel: null });
  }

  ls.page.then(bindTable);

  Object.assign(ls, { toggleEffects: toggle, leaveEffects: leave });
})();
