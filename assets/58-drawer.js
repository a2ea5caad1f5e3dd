// The drawer: what a track is, and what its agreement means.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  const PARTS = ["drawer-body", "effects-panel"];

  let opener = null; // what had the focus before the drawer took it

  // Shows one part of the drawer; all others than `drawer-body` are in the link.
  function openDrawer(title, part = "drawer-body") {
    if (!$("drawer").contains(document.activeElement)) opener = document.activeElement;
    $("drawer-title").textContent = title;
    $("drawer-body").replaceChildren();
    for (const id of PARTS) $(id).hidden = id !== part;
    $("drawer").classList.toggle("wide", part !== "drawer-body");
    $("drawer").hidden = false;
    if (part === "drawer-body") ls.leaveEffects();
    return $(part);
  }

  const closeDrawer = () => {
    const focused = $("drawer").contains(document.activeElement);
    $("drawer").hidden = true;
    if (focused) opener?.focus();
    ls.leaveEffects();
  };

  // The page's own keys are silent while a control has the focus.
  function onKey(event) {
    if (event.key !== "Escape" || !event.target.closest("input, textarea, select")) return;
    event.stopPropagation();
    closeDrawer();
  }

  ls.page.then(() => $("drawer").addEventListener("keydown", onKey));

  // Copies a text; where the browser does not let a page do that, shows it to be copied by hand.
  async function copy(text, name) {
    try {
      await navigator.clipboard.writeText(text);
      ls.toast(`${name} copied`);
    } catch {
      const box = make("textarea", "field");
      box.readOnly = true;
      box.rows = 6;
      box.value = text;
      box.setAttribute("aria-label", name);
      openDrawer(name).append(
        make("p", "muted small", "This browser lets no page copy by itself here. Copy what is selected."),
        box,
      );
      box.select();
    }
  }

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

  Object.assign(ls, { openDrawer, openInfo, openAgreement, closeDrawer, copy });
})();
