// The drawer of in silico mutagenesis: what is read out and how, the strongest changes, motifs.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const CHANGES = 12;
  const TITLE = "In silico mutagenesis";
  const METHODS = { ism: "Every single-base change", gradient: "Gradient \u00d7 input", deeplift: "DeepLIFT/SHAP" };
  const WITHOUT = "This model is not explained by DeepLIFT/SHAP: that needs a rule for every layer, and memory for both sequences.";
  const SCORES = { lfc: "ln ratio of the mean", difference: "Difference of the sum" };
  const JUNCTION_SCORES = { lfc: "ln ratio of the reads", difference: "Difference of the reads" };
  const BACKGROUNDS = { reference: "Reference", alternate: "Alternate" };

  const isOpen = () => $("drawer")?.hidden === false && $("drawer-body").firstChild?.id === "ism-panel";

  function openIsm() {
    ls.openDrawer(TITLE).append(Object.assign(make("div"), { id: "ism-panel" }));
    fill();
    $("ism-panel").querySelector("select").focus();
  }

  function trackChange(id) {
    const row = ls.state().view.rows.find((one) => one.predicted.some((track) => track.id === id));
    return { ...ls.usualReadout(row, id), score: "" };
  }

  function choice(name, label, options, value) {
    const node = make("label", "ism-choice");
    const select = make("select");
    select.name = name;
    for (const [word, text] of options) {
      select.append(Object.assign(make("option", "", text), { value: word, selected: word === value }));
    }
    select.onchange = () => ls.ism.change(name === "track" ? trackChange(select.value) : { [name]: select.value });
    node.append(make("span", "", label), select);
    return node;
  }

  function trackChoices(view, ism) {
    const rows = view.rows.filter((row) => row.predicted.length);
    const found = new Map(
      rows.flatMap((row) =>
        row.predicted.map((track) => {
          const strand = track.strand === "." ? "" : ` ${track.strand.replace("-", "\u2212")}`;
          return [track.id, `${row.label} ${row.biosample ? row.biosample.name : row.title}${strand}`];
        }),
      ),
    );
    if (!found.has(ism.track)) found.set(ism.track, ism.track);
    return [...found];
  }

  // Where a track is read out, as [mask, label].
  function masks(view, ism) {
    const offered = ism.masks.map((one) => [one.value, one.label]);
    const row = view.rows.find((one) => one.predicted.some((track) => track.id === ism.track));
    if (!row || row.kind !== "junctions" || ism.chrom !== view.locus.chrom) return offered;
    const { strand } = row.predicted.find((track) => track.id === ism.track);
    return ls.junctionMasks(row, strand, ism.chrom, offered);
  }

  const methods = (view) => Object.entries(METHODS).filter(([one]) => one !== "deeplift" || view.model.deep_lift);

  const scores = (ism) => (ism.mask.startsWith("junction:") ? JUNCTION_SCORES : SCORES);

  function controls(view, ism) {
    const parts = [
      choice("track", "Read-out", trackChoices(view, ism), ism.track),
      choice("mask", "Where", masks(view, ism), ism.mask),
      choice("score", "Score", Object.entries(scores(ism)), ism.score),
      choice("method", "Method", methods(view), ism.method),
    ];
    if (view.edited || ism.background === "alternate") {
      parts.push(choice("background", "Sequence", Object.entries(BACKGROUNDS), ism.background));
    }
    return parts;
  }

  function state() {
    const node = make("p", "ism-state");
    const say = ls.ism.stateText();
    const { found } = ls.ism.state();
    if (say) {
      node.textContent = `${say.text} `;
      const button = make("button", "tool", say.button);
      button.onclick = say.run;
      node.append(button);
    } else if (found) {
      const file = make("a", "tool", "Download TSV");
      file.href = `/api/v1/ism.tsv?${ls.state().view.query}`;
      file.download = "";
      node.append(`${found.done} of ${found.total} bases. `, file);
    }
    return node;
  }

  function table(heads, rows) {
    const node = make("table", "plain ism-table");
    const head = node.createTHead().insertRow();
    heads.forEach((text) => head.append(make("th", "", text)));
    const body = node.createTBody();
    for (const cells of rows) {
      const line = body.insertRow();
      for (const cell of cells) line.insertCell().append(cell);
    }
    return node;
  }

  function link(text, title, run) {
    const node = make("button", "link", text);
    node.title = title;
    node.onclick = run;
    return node;
  }

  function changes(found, ism) {
    const all = found.effects
      .map((effects, i) => ({ i, best: ls.strongest(effects) }))
      .filter(({ i, best }) => best && found.places[i] !== null)
      .sort((a, b) => Math.abs(b.best.value) - Math.abs(a.best.value))
      .slice(0, CHANGES);
    if (!all.length) return [];
    const rows = all.map(({ i, best }) => {
      const position = found.places[i];
      const run = () => ls.substitute(position, found.reference[i], best.letter);
      return [
        ls.positionText(ism.chrom, position),
        link(`${found.bases[i]} \u2192 ${best.letter}`, "Make this change: adds it to the variants of the view", run),
        ls.ism.signed(best.value),
      ];
    });
    return [make("h3", "", "Strongest changes"), table(["Position", "Change", "Effect"], rows)];
  }

  // The factor whose matrix fits best, and how many others fit as well.
  const motifName = (one) => one.matches[0].name + (one.alike ? ` +${one.alike}` : "");

  function motifs(found, ism) {
    if (!found.motifs) return [];
    if (!found.motifs.length) return [make("h3", "", "Motifs"), make("p", "muted", "No stretch stands out.")];
    const rows = found.motifs.map((one) => {
      const [best] = one.matches;
      return [
        link(best ? motifName(one) : "none", "Show the matrices", () => openMotif(one)),
        `${ls.number.format(ism.start + 1 + one.start)}\u2013${ls.number.format(ism.start + one.end)}`,
        ls.ism.signed(one.attribution),
        best ? ls.valueText(best.q) : "",
      ];
    });
    return [make("h3", "", "Motifs"), table(["Motif", "Bases", "Sum", "q"], rows)];
  }

  function fill() {
    const { view } = ls.state();
    const { found, wanted } = ls.ism.state();
    const panel = $("ism-panel");
    if (!wanted) {
      panel.replaceChildren(make("p", "muted", "Select a region with Shift and the mouse, or press i."));
      return;
    }
    const facts = make("p", "muted small", found && found.readout
      ? `${found.method_text}. Effect: ${found.readout.score_text}. Unchanged: ${ls.valueText(found.value ?? NaN)} (${found.readout.unit}).`
      : "");
    const close = make("button", "tool", "Remove from the view");
    close.onclick = () => {
      ls.closeDrawer();
      ls.go({ ism: null });
    };
    const got = found && found.contributions;
    panel.replaceChildren(
      make("p", "", wanted.locus),
      ...controls(view, wanted),
      state(),
      facts,
      ...(view.model.deep_lift ? [] : [make("p", "muted small", WITHOUT)]),
      ...(got ? motifs(found, wanted) : []),
      ...(got ? changes(found, wanted) : []),
      close,
    );
  }

  // Follows what is computed, but never takes a control away from under a hand.
  function show() {
    if (!isOpen()) return;
    const focused = document.activeElement && $("ism-panel").contains(document.activeElement);
    const name = focused && document.activeElement.name;
    if (focused && document.activeElement.tagName === "SELECT" && document.activeElement.matches(":open")) return;
    fill();
    if (name) $("ism-panel").querySelector(`[name=${name}]`)?.focus();
  }

  // ---- One motif ------------------------------------------------------------------------------

  async function openMotif(seqlet) {
    const body = ls.openDrawer("Motif");
    const back = make("button", "link", "\u2039 In silico mutagenesis");
    back.onclick = openIsm;
    body.append(back);
    try {
      for (const match of seqlet.matches) {
        const about = await ls.json(`/api/v1/motif?id=${match.id}`);
        const shares = match.strand === "-" ? [...about.frequencies].reverse().map((p) => [...p].reverse()) : about.frequencies;
        const part = make("section", "motif-match");
        const head = make("h3", "", `${about.name} `);
        head.append(make("span", "muted", `${about.id}, strand ${match.strand.replace("-", "\u2212")}`));
        const logo = make("div");
        logo.innerHTML = ls.matrixLogo(shares, Math.min(320, 22 * shares.length), 64);
        const words = `q ${ls.valueText(match.q)}, p ${ls.valueText(match.p)}${about.class ? `, ${about.class}` : ""}`;
        part.append(head, logo, make("p", "muted small", words));
        body.append(part);
        if (match === seqlet.matches[seqlet.matches.length - 1]) body.append(make("p", "muted small", about.source));
      }
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      body.append(make("p", "error", error.message));
    }
  }

  Object.assign(ls, { openIsm, openMotif, motifName, showIsmDrawer: show });
})();
