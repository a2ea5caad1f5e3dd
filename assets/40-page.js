// Hands on the page: mouse, wheel, touch, keys, search box, row labels, side panel, status line.
(() => {
  "use strict";
  const ls = window.locuscope;
  const $ = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const setProps = (id, props) => window.dash_clientside.set_props(id, props);
  let selection = null; // {start, end} chosen by Shift-drag
  let tops = new Map();

  // ---- Notices --------------------------------------------------------------------------------

  function notice(text, kind = "notice", action = null) {
    const box = make("div", `note ${kind}`);
    box.setAttribute("role", kind === "error" ? "alert" : "status");
    box.append(make("span", "", text));
    if (action) {
      const button = make("button", "link", action.label);
      button.onclick = () => {
        box.remove();
        action.run();
      };
      box.append(button);
    }
    const close = make("button", "close", "\u00d7");
    close.setAttribute("aria-label", "Dismiss");
    close.onclick = () => box.remove();
    box.append(close);
    $("notes").append(box);
  }

  function toast(text) {
    const box = $("toast");
    box.textContent = text;
    box.classList.add("shown");
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => box.classList.remove("shown"), 2200);
  }

  const suggest = (error) =>
    error.suggestion
      ? { label: `Try ${error.suggestion}`, run: () => ls.go({ locus: error.suggestion }) }
      : null;

  ls.on("view", (view) => {
    $("notes").replaceChildren();
    view.notices.forEach((text) => notice(text));
    (view.genome.problems || []).forEach((p) => notice(`${p.path}: ${p.message}`));
    if (view.model && view.model.unavailable) notice(view.model.unavailable, "error");
    $("page-message").hidden = true;
  });

  ls.on("failed", (error) => {
    if (ls.state().drawn) {
      notice(error.message, "error", suggest(error));
      return;
    }
    $("rows-loading").hidden = true;
    $("page-message").textContent = error.message;
    $("page-message").hidden = false;
  });

  // ---- Search box -----------------------------------------------------------------------------

  let found = [];
  let chosen = -1;
  let asked = 0;
  let searchTimer = 0;
  const box = () => $("locus");

  function closeSearch() {
    $("suggestions").hidden = true;
    box().setAttribute("aria-expanded", "false");
    box().removeAttribute("aria-activedescendant");
    chosen = -1;
  }

  function showError(error) {
    const under = $("locus-message");
    under.replaceChildren(make("span", "", error.message));
    if (error.suggestion) {
      const button = make("button", "link", error.suggestion);
      button.onmousedown = (event) => {
        event.preventDefault();
        submitLocus(error.suggestion);
      };
      under.append(" Nearest: ", button);
    }
    under.className = "locus-message error";
    under.hidden = false;
  }

  function renderSearch(answer) {
    const list = $("suggestions");
    list.replaceChildren();
    found = [];
    for (const group of answer.groups) {
      if (!group.items.length) continue;
      list.append(make("div", "group", group.title));
      for (const item of group.items) {
        const option = make("div", "option");
        option.id = `option-${found.length}`;
        option.setAttribute("role", "option");
        option.append(make("b", "", item.label), make("span", "", item.detail || ""));
        option.onmousedown = (event) => {
          event.preventDefault();
          submitLocus(item.locus);
        };
        found.push({ ...item, option });
        list.append(option);
      }
    }
    list.hidden = found.length === 0;
    box().setAttribute("aria-expanded", String(!list.hidden));
    const under = $("locus-message");
    if (answer.understood) {
      under.textContent = answer.understood.label;
      under.className = "locus-message";
      under.hidden = false;
    } else {
      under.hidden = true;
    }
  }

  async function suggestFor(text) {
    const mine = ++asked;
    const { view } = ls.state();
    if (!view) return;
    const query = new URLSearchParams({ genome: view.genome.id, q: text });
    try {
      const answer = await ls.json(`/api/v1/search?${query}`);
      if (mine !== asked || document.activeElement !== box()) return;
      const recent = recall().filter((one) => !text || one.toLowerCase().includes(text.toLowerCase()));
      const { genes, regions, variants } = answer.suggestions || {};
      const groups = [
        { title: "Genes", items: genes || [] },
        { title: "Regions", items: regions || [] },
        { title: "Variants", items: variants || [] },
        { title: "Recent", items: recent.slice(0, 5).map((one) => ({ label: one, locus: one })) },
      ];
      renderSearch({ groups, understood: answer.understood });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      if (mine === asked) showError(error);
    }
  }

  const recall = () => JSON.parse(window.sessionStorage.getItem("locuscope:recent") || "[]");

  function remember(text) {
    const kept = [text, ...recall().filter((one) => one !== text)].slice(0, 12);
    window.sessionStorage.setItem("locuscope:recent", JSON.stringify(kept));
  }

  async function submitLocus(text) {
    closeSearch();
    asked += 1;
    clearTimeout(searchTimer);
    const { view } = ls.state();
    const query = new URLSearchParams({ genome: view ? view.genome.id : "", q: text });
    try {
      const answer = await ls.json(`/api/v1/search?${query}`);
      if (answer.error) {
        showError(answer.error);
        return;
      }
      $("locus-message").hidden = true;
      remember(text);
      box().blur();
      const { locus, variant } = answer.understood;
      await ls.go({ locus, variant: variant || null });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      showError(error);
    }
  }

  function choose(step) {
    if (!found.length) return;
    if (chosen >= 0) found[chosen].option.removeAttribute("aria-selected");
    chosen = (chosen + step + found.length) % found.length;
    const { option } = found[chosen];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    box().setAttribute("aria-activedescendant", option.id);
  }

  function bindSearch() {
    const input = box();
    for (const [name, value] of [
      ["role", "combobox"],
      ["aria-controls", "suggestions"],
      ["aria-expanded", "false"],
      ["aria-autocomplete", "list"],
      ["spellcheck", "false"],
      ["maxlength", "1000"],
    ]) {
      input.setAttribute(name, value);
    }
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => {
      closeSearch();
      showLocus();
      if (!$("locus-message").classList.contains("error")) $("locus-message").hidden = true;
    });
    input.addEventListener("input", () => {
      $("locus-message").hidden = true;
      clearTimeout(searchTimer);
      searchTimer = setTimeout(() => suggestFor(input.value.trim()), 90);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") submitLocus(chosen >= 0 ? found[chosen].locus : input.value.trim());
      else if (event.key === "ArrowDown") choose(1);
      else if (event.key === "ArrowUp") choose(-1);
      else if (event.key === "Escape") {
        $("locus-message").hidden = true;
        input.blur();
      } else return;
      event.preventDefault();
    });
  }

  function showLocus() {
    const { view } = ls.state();
    if (view && document.activeElement !== box()) setProps("locus", { value: view.locus.text });
  }

  // ---- Row labels -----------------------------------------------------------------------------

  function label(row, place) {
    const node = make("div", "row-label");
    node.dataset.row = row.id;
    node.style.top = `${place.top}px`;
    node.style.height = `${place.height}px`;
    const head = make("div", "row-head");
    const colour = row.style.color || `var(--modality-${row.modality.toLowerCase()})`;
    node.style.setProperty("--chip", colour);
    const strand = { "+": " +", "-": " \u2212", "+-": " \u00b1" }[row.strand] || "";
    head.append(make("b", "", (row.biosample ? row.biosample.name : row.title) + strand));
    const first = row.predicted[0] || row.observed[0];
    const what = [row.label, row.target, row.biosample ? first.name : row.unit].filter(Boolean);
    const detail = make("div", "row-detail", what.join(" \u00b7 "));
    const badge = make("button", "badge");
    badge.hidden = true;
    badge.onclick = () => openAgreement(row.id);
    const menu = make("button", "row-menu", "\u22ef");
    menu.setAttribute("aria-label", `Settings of ${row.label} ${row.title}`);
    menu.onclick = (event) => openMenu(row, event.currentTarget);
    node.append(head, detail, badge, make("span", "row-top"), make("span", "row-zero", "0"), menu);
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
      const half = row.predicted.length && row.observed.length && view.mode === "stacked";
      node.style.top = `${place.top}px`;
      node.style.height = `${half ? place.height / 2 : place.height}px`;
      messages.append(node);
    });
    $("no-rows").hidden = view.rows.length > 0;
    document.body.classList.toggle("simulated", Boolean(view.genome.simulated));
    $("licence-note").textContent = (view.model && view.model.licence_note) || "";
    $("validation").textContent = view.model
      ? `Numbers checked by ${view.model.validation}`
      : "";
    $("validation").title = (view.model && view.model.validation_note) || "";
    $("view-width").textContent = view.locus.width_text;
    $("chromosome").textContent = view.locus.chrom;
  });

  // The controls follow when the tracks are drawn: React takes longer than the tracks.
  ls.on("settled", (view) => {
    setTimeout(() => {
      showLocus();
      showPanel(view);
    }, 0);
  });

  ls.on("drawn", (detail) => {
    tops = detail.tops;
    for (const node of document.querySelectorAll(".row-label[data-row]")) {
      const top = tops.get(node.dataset.row);
      if (!top) continue;
      const text = top.tops.filter((one) => one > 0).map(ls.valueText).join(" | ");
      node.querySelector(".row-top").textContent = text + (text && top.scale === "log" ? " ln" : "");
      node.querySelector(".row-top").title =
        top.tops.length > 1 ? "Top of the scale: predicted | observed" : "Top of the scale";
      // Where both strands share the row, 0 is in the middle.
      const pair = ls.state().view.rows.find((row) => row.id === node.dataset.row).strand === "+-";
      node.querySelector(".row-zero").hidden = !text || pair;
    }
  });

  ls.on("agreement", (agreement) => {
    for (const node of document.querySelectorAll(".row-label[data-row]")) {
      const row = agreement.get(node.dataset.row);
      const badge = node.querySelector(".badge");
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
      const two = (value) => {
        if (value === null) return "\u2013";
        return value.toFixed(2).replace("-0.00", "0.00").replace(/^(-?)0\./, "$1.");
      };
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
      const pill = make("span", progress && progress.failed ? "pill failed" : "pill", text);
      if (progress && progress.failed) {
        const again = make("button", "link", "Retry");
        again.onclick = () => ls.retry();
        pill.append(" ", again);
      }
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
    return top && !top.tops.some((one) => one > 0) && !row.predicted.length ? "Nothing measured here" : "";
  }

  // ---- Row menu and drawer --------------------------------------------------------------------

  function openMenu(row, button) {
    closeMenu();
    const menu = make("div", "menu");
    menu.id = "menu";
    menu.setAttribute("role", "menu");
    const item = (text, run) => {
      const one = make("button", "", text);
      one.setAttribute("role", "menuitem");
      one.onclick = () => {
        closeMenu();
        run();
      };
      menu.append(one);
    };
    const style = (change) => {
      const { view } = ls.state();
      const now = { ...row.style, ...change };
      const others = view.rows
        .filter((one) => one.id !== row.id)
        .map((one) => styleText(one.id, one.style));
      ls.go({ style: [...others, styleText(row.id, now)].filter(Boolean) });
    };
    item(row.style.scale === "log" ? "Linear scale" : "Log scale (ln(1 + x))", () =>
      style({ scale: row.style.scale === "log" ? "linear" : "log" }),
    );
    item(row.summary === "max" ? "Bins show the mean" : "Bins show the maximum", () =>
      style({ summary: row.summary === "max" ? "mean" : "max" }),
    );
    item("Taller", () => style({ height: Math.min(400, row.style.height + 40) }));
    item("Shorter", () => style({ height: Math.max(36, row.style.height - 40) }));
    item("About this track", () => openInfo(row));
    item("Hide", () => {
      const rows = ls.state().view.rows.map((one) => one.id).filter((id) => id !== row.id);
      if (rows.length) ls.go({ track: rows });
      else toast("A view keeps at least one track");
    });
    document.body.append(menu);
    const at = button.getBoundingClientRect();
    menu.style.left = `${at.left}px`;
    menu.style.top = `${Math.min(at.bottom + 2, window.innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("button").focus();
  }

  function closeMenu() {
    const menu = $("menu");
    if (menu) menu.remove();
  }

  function styleText(id, style) {
    const parts = [];
    if (style.height !== 56) parts.push(`height=${style.height}`);
    if (style.color) parts.push(`color=${style.color.slice(1)}`);
    if (style.scale !== "linear") parts.push(`scale=${style.scale}`);
    if (style.summary) parts.push(`summary=${style.summary}`);
    if (style.ymax) parts.push(`ymax=${style.ymax}`);
    return parts.length ? [id, ...parts].join(";") : "";
  }

  function openDrawer(title) {
    $("drawer-title").textContent = title;
    $("drawer-body").replaceChildren();
    $("drawer").hidden = false;
    return $("drawer-body");
  }

  const closeDrawer = () => {
    $("drawer").hidden = true;
  };

  function facts(body, pairs) {
    const list = make("dl", "facts");
    for (const [name, value] of pairs) {
      if (value) list.append(make("dt", "", name), make("dd", "", value));
    }
    body.append(list);
  }

  function openInfo(row) {
    const body = openDrawer(`${row.label} ${row.biosample ? row.biosample.name : row.title}`);
    const { view } = ls.state();
    const tracks = [...row.predicted, ...row.observed].map((t) => t.id).join("\n");
    facts(body, [
      ["Biosample", row.biosample && `${row.biosample.name} ${row.biosample.curie}`],
      ["Assay", row.assay],
      ["Target", row.target],
      ["Unit", row.unit],
      ["Resolution", `${row.resolution} bp`],
      ["Tracks", tracks],
    ]);
    if (row.predicted.length && view.model) {
      body.append(make("h3", "", view.model.title));
      facts(body, [
        ["Numbers checked by", view.model.validation],
        ["How", view.model.validation_note],
        ["Reads", `${ls.number.format(view.model.input_width)} bp`],
        ["Licence", view.model.licence],
        ["Restriction", view.model.licence_note],
        ["Paper", view.model.paper],
      ]);
    }
  }

  async function openAgreement(id) {
    const { view } = ls.state();
    const row = view.rows.find((one) => one.id === id);
    const body = openDrawer("Predicted and observed");
    body.append(
      make(
        "p",
        "",
        "Pearson r of ln(1 + x) and Spearman \u03c1, over the bins that lie wholly in view and have " +
          "both a predicted and an observed value.",
      ),
    );
    const query = new URLSearchParams(view.query);
    query.set("points", id);
    try {
      const answer = await ls.json(`/api/v1/agreement?${query}`);
      const about = answer.rows.find((one) => one.id === id);
      for (const pair of about.pairs) {
        facts(body, [
          ["Predicted", pair.predicted],
          ["Observed", pair.observed],
          ["Pearson r", pair.pearson_log1p === null ? pair.reason : pair.pearson_log1p.toFixed(4)],
          ["Spearman \u03c1", pair.spearman === null ? pair.reason : pair.spearman.toFixed(4)],
          ["Bins", `${ls.number.format(pair.n)} of ${row.resolution} bp`],
        ]);
        if (pair.points) scatter(body, pair, row);
      }
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      body.append(make("p", "error", error.message));
    }
  }

  function scatter(body, pair, row) {
    const host = make("div", "scatter");
    body.append(host);
    const css = getComputedStyle(document.documentElement);
    const ink = css.getPropertyValue("--ink");
    const line = css.getPropertyValue("--line");
    const axis = { zeroline: false, gridcolor: line, linecolor: line, tickfont: { size: 10 } };
    const log = (values) => values.map((v) => Math.log1p(v));
    window.Plotly.newPlot(
      host,
      [
        {
          type: "scatter",
          mode: "markers",
          x: log(pair.points.observed),
          y: log(pair.points.predicted),
          marker: {
            size: 4,
            opacity: 0.45,
            color: row.style.color || css.getPropertyValue(`--modality-${row.modality.toLowerCase()}`),
          },
          hoverinfo: "skip",
        },
      ],
      {
        width: 326,
        height: 300,
        margin: { l: 44, r: 8, t: 8, b: 40 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink, size: 11 },
        xaxis: { ...axis, title: { text: "observed, ln(1 + x)" } },
        yaxis: { ...axis, title: { text: "predicted, ln(1 + x)" } },
        showlegend: false,
      },
      { staticPlot: true },
    );
    if (pair.points.predicted.length < pair.n) {
      const shown = ls.number.format(pair.points.predicted.length);
      body.append(make("p", "muted", `Drawn: ${shown} of ${ls.number.format(pair.n)} bins.`));
    }
  }

  // ---- Side panel -----------------------------------------------------------------------------

  let trackGroups = [];
  let panel = { key: null, model: null, biosamples: null, checked: null, genome: null };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  async function showPanel(view) {
    const checked = view.rows.map((row) => row.id);
    const model = view.model ? view.model.id : "";
    const key = `${view.genome.id}|${model}`;
    if (panel.key !== key) {
      panel = { ...panel, key };
      await fillPanel(view.genome.id, model);
      if (ls.state().view !== view) return;
    }
    panel = { key, model, genome: view.genome.id, biosamples: view.chosen_biosamples, checked };
    setProps("genome", { value: view.genome.id });
    setProps("model", { value: model });
    setProps("biosamples", { value: view.chosen_biosamples });
    setProps("track-tree", { checked, data: treeData(new Set(checked)) });
    setProps("overlay", { value: view.mode });
    setProps("autoscale", { checked: view.autoscale === "group" });
  }

  // Each modality says how many of its tracks are shown.
  const treeData = (shown) =>
    trackGroups.map((group) => {
      const count = group.rows.filter((row) => shown.has(row.id)).length;
      return {
        value: group.modality,
        label: `${group.label} \u00b7 ${count}/${ls.number.format(group.rows.length)}`,
        children: group.rows.map((row) => ({ value: row.id, label: row.label })),
      };
    });

  // What can be chosen depends on genome and model alone, so it is asked for once.
  async function fillPanel(genome, model) {
    const query = new URLSearchParams({ genome, model });
    try {
      const { groups, biosamples } = await ls.json(`/api/v1/tracks?${query}`);
      setProps("biosamples", { data: biosamples });
      trackGroups = groups;
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      notice(error.message, "error");
    }
  }

  const controls = {
    genome: (value) => {
      if (value && value !== panel.genome) {
        ls.go({ genome: value, locus: null, track: null, hide: null, style: null, variant: null });
      }
    },
    model: (value) => {
      if (value !== null && value !== panel.model && panel.model !== null) {
        ls.go({ model: value, track: null, hide: null, style: null });
      }
    },
    biosamples: (value) => {
      if (panel.biosamples && !same(value, panel.biosamples)) {
        ls.go({ biosample: value.length ? value : [""], track: null, hide: null });
      }
    },
    tracks: (checked) => {
      if (!panel.checked || same([...checked].sort(), [...panel.checked].sort())) return;
      const kept = panel.checked.filter((id) => checked.includes(id));
      const added = checked.filter((id) => !panel.checked.includes(id));
      if (!checked.length) {
        toast("A view keeps at least one track");
        setProps("track-tree", { checked: panel.checked });
        return;
      }
      ls.go({ track: [...kept, ...added], hide: null });
    },
    autoscale: (shared) => {
      const { view } = ls.state();
      const value = shared ? "group" : "each";
      if (view && value !== view.autoscale) ls.go({ autoscale: value });
    },
    overlay: (value) => {
      const { view } = ls.state();
      if (view && value && value !== view.mode) ls.go({ mode: value });
    },
  };

  // A biosample is found by its name, its CURIE and its synonyms.
  window.dashMantineFunctions = Object.assign(window.dashMantineFunctions || {}, {
    filterBiosamples: ({ options, search }) => {
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const squash = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
      return options.filter((option) => {
        const text = `${option.label} ${option.value} ${option.search || ""}`.toLowerCase();
        return words.every((word) => text.includes(word) || squash(text).includes(squash(word) || "\n"));
      });
    },
  });

  // ---- Mouse, wheel, touch --------------------------------------------------------------------

  let drag = null;

  function bindMouse() {
    const viewport = $("viewport");
    viewport.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !ls.state().drawn || event.target.closest("button")) return;
      const kind = event.shiftKey ? "select" : "pan";
      startDrag(event, viewport, kind);
    });
    $("ruler").addEventListener("pointerdown", (event) => {
      if (event.button === 0 && ls.state().drawn) startDrag(event, $("ruler"), "zoom");
    });
    for (const element of [viewport, $("ruler")]) {
      element.addEventListener("pointermove", moveDrag);
      element.addEventListener("pointerup", endDrag);
      element.addEventListener("pointercancel", endDrag);
    }
    viewport.addEventListener("pointermove", crosshair);
    viewport.addEventListener("pointerleave", () => {
      $("crosshair").hidden = true;
      $("readout").textContent = "";
    });
    viewport.addEventListener("wheel", wheel, { passive: false });
    $("ruler").addEventListener("wheel", wheel, { passive: false });
    viewport.addEventListener("dblclick", (event) => {
      if (event.target.closest("button")) return;
      ls.zoom(event.shiftKey ? 2 : 0.5, ls.positionAt(event.clientX));
    });
    $("overview").addEventListener("pointerdown", (event) => {
      const { view, visible } = ls.state();
      if (!view) return;
      const box = $("overview").getBoundingClientRect();
      const [low, high] = ls.bounds();
      const at = low + ((event.clientX - box.left) / box.width) * (high - low);
      const half = (visible.end - visible.start) / 2;
      ls.glideTo(at - half, at + half);
    });
  }

  function startDrag(event, element, kind) {
    drag = { kind, x: event.clientX, last: event.clientX, element, moved: false };
    element.setPointerCapture(event.pointerId);
    closeMenu();
    clearSelection();
    if (kind === "pan") element.classList.add("dragging");
  }

  function moveDrag(event) {
    if (!drag) return;
    const { visible } = ls.state();
    if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag.kind === "pan") {
      const bpPerPx = (visible.end - visible.start) / $("viewport").clientWidth;
      ls.panBy((drag.last - event.clientX) * bpPerPx);
      drag.last = event.clientX;
      if (outOfMargin()) ls.settleSoon(0);
    } else {
      paintSelection(drag.x, event.clientX);
    }
  }

  // The figure ends one screen beyond the view: fetch more before the hand gets there.
  function outOfMargin() {
    const { base, visible } = ls.state();
    const span = base.end - base.start;
    return Math.abs(visible.start - base.start) > 0.7 * span;
  }

  function endDrag(event) {
    if (!drag) return;
    const { kind, x, moved, element } = drag;
    drag = null;
    element.classList.remove("dragging");
    if (kind === "pan") {
      if (moved) ls.settle();
      return;
    }
    const a = ls.positionAt(Math.min(x, event.clientX));
    const b = ls.positionAt(Math.max(x, event.clientX));
    if (!moved) {
      clearSelection();
      return;
    }
    if (kind === "zoom") {
      clearSelection();
      ls.glideTo(Math.floor(a), Math.ceil(b));
    } else {
      offerSelection(Math.floor(a), Math.ceil(b), event);
    }
  }

  function paintSelection(x0, x1) {
    const boxes = $("viewport").getBoundingClientRect();
    const mark = $("selection");
    mark.hidden = false;
    mark.style.left = `${Math.max(0, Math.min(x0, x1) - boxes.left)}px`;
    mark.style.width = `${Math.abs(x1 - x0)}px`;
  }

  function clearSelection() {
    selection = null;
    $("selection").hidden = true;
    $("selection-menu").hidden = true;
  }

  function offerSelection(start, end, event) {
    selection = { start, end };
    const { base } = ls.state();
    const menu = $("selection-menu");
    $("selection-text").textContent =
      `${ls.intervalText(base.chromosome, start, end)} \u00b7 ${ls.widthText(end - start)}`;
    menu.hidden = false;
    const left = Math.min(event.clientX + 8, window.innerWidth - menu.offsetWidth - 12);
    const top = Math.min(event.clientY + 8, window.innerHeight - menu.offsetHeight - 40);
    menu.style.left = `${left}px`;
    menu.style.top = `${top}px`;
  }

  function wheel(event) {
    if (!ls.state().drawn) return;
    const { visible } = ls.state();
    const bpPerPx = (visible.end - visible.start) / $("viewport").clientWidth;
    const unit = event.deltaMode === 1 ? 24 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      ls.zoomAt(Math.exp(Math.max(-60, Math.min(60, event.deltaY * unit)) * 0.006), ls.positionAt(event.clientX));
      ls.settleSoon(220);
      return;
    }
    event.preventDefault();
    const delta = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY;
    ls.panBy(delta * unit * bpPerPx);
    ls.settleSoon(outOfMargin() ? 0 : undefined);
  }

  function crosshair(event) {
    const { drawn, base } = ls.state();
    if (!drawn || !base) return;
    const line = $("crosshair");
    const box = $("viewport").getBoundingClientRect();
    line.hidden = false;
    line.style.transform = `translateX(${event.clientX - box.left}px)`;
    const position = Math.floor(ls.positionAt(event.clientX));
    const y = event.clientY - box.top;
    const { geometry } = ls.state().view.figure;
    const under = geometry.rows.find((row) => y >= row.top && y < row.top + row.height);
    const parts = [ls.positionText(base.chromosome, position)];
    const values = ls.valuesAt(position);
    const shown = under ? values.filter((one) => one.row.id === under.id) : values.slice(0, 3);
    for (const { row, predicted, observed } of shown) {
      const name = `${row.label} ${row.biosample ? row.biosample.name : row.title}`;
      const say = (list) => list.map(ls.valueText).join(", ");
      const said = [];
      if (predicted.length) said.push(`predicted ${say(predicted)}`);
      if (observed.length) said.push(`observed ${say(observed)}`);
      parts.push(`${name}: ${said.join(" / ")}`);
    }
    $("readout").textContent = parts.join("   ");
  }

  // ---- Keys and buttons -----------------------------------------------------------------------

  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    setProps("mantine", { forceColorScheme: theme });
  };

  async function gene(direction) {
    const { view, visible } = ls.state();
    const middle = Math.round((visible.start + visible.end) / 2);
    const query = new URLSearchParams({
      genome: view.genome.id,
      chrom: view.locus.chrom,
      pos: middle,
      direction,
    });
    try {
      const answer = await ls.json(`/api/v1/next-gene?${query}`);
      ls.go({ locus: answer.locus });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      toast(error.message);
    }
  }

  function highlight() {
    const { base } = ls.state();
    const { start, end } = selection || base;
    const kept = ls.state().params.getAll("highlight");
    ls.go({ highlight: [...kept, ls.locusText(base.chromosome, start, end)] });
    clearSelection();
  }

  async function copyLink() {
    const link = window.location.href;
    try {
      await navigator.clipboard.writeText(link);
      toast("Link copied");
    } catch (error) {
      window.prompt("Copy this link", link);
    }
  }

  const actions = {
    "go-left": () => ls.pan(-0.5),
    "go-right": () => ls.pan(0.5),
    "zoom-in": () => ls.zoom(0.5),
    "zoom-out": () => ls.zoom(2),
    "copy-link": copyLink,
    "toggle-theme": () => {
      const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      setTheme(theme);
      ls.go({ theme }, "replace");
    },
    "toggle-side": () => {
      document.body.classList.toggle("side-toggled");
      window.dispatchEvent(new Event("resize"));
    },
    "show-help": () => setProps("help", { opened: true }),
    "close-drawer": closeDrawer,
    "select-zoom": () => {
      const { start, end } = selection;
      clearSelection();
      ls.glideTo(start, end);
    },
    "select-highlight": highlight,
    "select-copy": () => {
      const { start, end } = selection;
      navigator.clipboard.writeText(ls.intervalText(ls.state().base.chromosome, start, end));
      clearSelection();
      toast("Locus copied");
    },
    "select-close": () => clearSelection(),
  };

  const keys = {
    ArrowLeft: (event) => ls.pan(event.shiftKey ? -1 : -0.2),
    ArrowRight: (event) => ls.pan(event.shiftKey ? 1 : 0.2),
    "+": () => ls.zoom(0.5),
    "=": () => ls.zoom(0.5),
    "-": () => ls.zoom(2),
    "/": () => box().focus(),
    g: () => box().focus(),
    n: () => gene("next"),
    p: () => gene("previous"),
    h: highlight,
    u: () => window.history.back(),
    d: actions["toggle-theme"],
    l: copyLink,
    "?": actions["show-help"],
    Escape: () => {
      closeMenu();
      clearSelection();
      closeDrawer();
    },
  };

  function onKey(event) {
    if (event.target.closest("input, textarea, select, [contenteditable], [role=tree]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const run = keys[event.key];
    if (!run || !ls.state().view) return;
    event.preventDefault();
    run(event);
  }

  // ---- Status line ----------------------------------------------------------------------------

  async function showWorkers() {
    try {
      const status = await ls.json("/api/v1/status");
      $("worker-state").textContent = status.sentence;
      $("worker-state").className = status.ready ? "ready" : "waiting";
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      $("worker-state").textContent = error.message;
      $("worker-state").className = "waiting";
    }
  }

  // ---- Start ----------------------------------------------------------------------------------

  function start() {
    $("ruler").innerHTML = '<svg id="ruler-world" aria-hidden="true"></svg>';
    bindSearch();
    bindMouse();
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) actions[button.dataset.action](event);
      if (!event.target.closest("#menu, .row-menu")) closeMenu();
    });
    window.addEventListener("popstate", () =>
      ls.show(new URLSearchParams(window.location.search), "keep"),
    );
    let width = 0;
    new ResizeObserver(() => {
      const now = $("viewport").clientWidth;
      if (width && now !== width && ls.state().drawn) {
        clearTimeout(start.timer);
        start.timer = setTimeout(ls.redraw, 120);
      }
      width = now;
    }).observe($("viewport"));
    setTheme(document.documentElement.dataset.theme);
    showWorkers();
    setInterval(() => !document.hidden && showWorkers(), 5000);
  }

  ls.page.then(start);

  Object.assign(ls, { controls, notice, toast });
})();
