// In silico mutagenesis in the page: asks for it while it is computed, keeps its row, and tells what
// lies under the pointer. `68-ism-drawer.js` has its controls and tables.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const POLL_MS = 250;
  const RETRY_MS = 2000;
  const MOST_BP = 500;
  const USUAL_BP = 200;
  const READABLE_PX = 400; // a narrower interval is zoomed to when it is chosen
  const NAMES = { ism: "ISM", gradient: "Gradient \u00d7 input", deeplift: "DeepLIFT/SHAP" };
  const SHOW = { logo: "Logo", heat: "Heat map", lollipop: "Strongest" };

  let key = ""; // names what `found` answers
  let found = null;
  let stopped = false; // a person cancelled
  let timer = 0;
  let asking = null;
  let place = null; // {region, px} of what is drawn

  const wanted = () => {
    const { view } = ls.state();
    return view && view.ism;
  };
  const row = () => ls.state().view.figure.geometry.ism;

  // ---- Choosing -------------------------------------------------------------------------------

  // The link's part, with some of it changed.
  function textOf(ism) {
    const parts = [ls.locusText(ism.chrom, ism.start, ism.end), `track=${ism.track}`];
    if (ism.mask) parts.push(`mask=${ism.mask}`);
    if (ism.score) parts.push(`score=${ism.score}`);
    for (const [name, word, usual] of [
      ["by", ism.method, "ism"],
      ["on", ism.background, "reference"],
      ["show", ism.show, "logo"],
    ]) {
      if (word && word !== usual) parts.push(`${name}=${word}`);
    }
    return parts.join(";");
  }

  const change = (parts) => ls.go({ ism: textOf({ ...wanted(), ...parts }) });

  // Explains an interval of the chromosome in view, by a row, by a read-out ({track, mask}) or by
  // what is read out already.
  function explain(start, end, { row: chosen = null, readout = null } = {}) {
    const { view, base } = ls.state();
    if (!view.model) return ls.notice("In silico mutagenesis needs a model. Choose one on the left.", "error");
    if (end - start > MOST_BP) {
      return ls.notice(
        `In silico mutagenesis takes ${MOST_BP} bp at most, not ${ls.number.format(end - start)}. Choose a shorter region.`,
        "error",
      );
    }
    const [low, high] = ls.bounds();
    const inside = { chrom: base.chromosome, start: Math.max(low, start), end: Math.min(high, end) };
    const before = wanted();
    const readable = view.rows.filter((one) => one.predicted.length);
    const usual = readable.find((one) => one.kind !== "junctions") || readable[0];
    const shown = chosen || (before || readout ? null : usual);
    if (!before && !shown && !readout) return ls.notice("Show a predicted track first: it is what is read out.", "error");
    const fresh = readout || (shown && ls.usualReadout(shown));
    const ism = fresh ? { show: before && before.show, ...fresh } : { ...before };
    // A read-out around the middle of another region is not that of this one.
    const stays = before && before.chrom === inside.chrom ? /^(exons|tss|junction):/ : /^(exons|tss):/;
    if (!fresh && ism.mask && !stays.test(ism.mask)) ism.mask = "";
    const query = { ism: textOf({ ...ism, ...inside }) };
    const px = $("viewport").clientWidth / (base.end - base.start);
    const unseen = inside.end <= base.start || inside.start >= base.end;
    if (unseen || (inside.end - inside.start) * px < READABLE_PX) {
      const margin = Math.max(10, Math.round((inside.end - inside.start) / 25));
      query.locus = ls.locusText(base.chromosome, Math.max(0, inside.start - margin), inside.end + margin);
    }
    return ls.go(query);
  }

  // By key: what is selected, else the middle of the view; with a row there, its controls.
  function explainHere() {
    const selected = ls.selected();
    if (selected) {
      ls.clearSelection();
      explain(selected.start, selected.end);
    } else if (wanted()) {
      ls.openIsm();
    } else {
      const { base } = ls.state();
      const half = Math.min(USUAL_BP, base.end - base.start) / 2;
      const middle = (base.start + base.end) / 2;
      explain(Math.ceil(middle - half), Math.ceil(middle - half) + 2 * Math.floor(half));
    }
  }

  // From a row's menu: where its prediction is highest in view.
  function explainPeak(shown) {
    const { base } = ls.state();
    let best = { value: -Infinity, at: Math.round((base.start + base.end) / 2) };
    const step = Math.max(1, Math.floor((base.end - base.start) / 4000));
    for (let at = base.start; at < base.end; at += step) {
      const about = ls.valuesAt(at).find((one) => one.row.id === shown.id);
      for (const value of about.predicted) if (value > best.value) best = { value, at };
    }
    explain(best.at - USUAL_BP / 2, best.at + USUAL_BP / 2, { row: shown });
  }

  // ---- Asking ---------------------------------------------------------------------------------

  const keyOf = (view) =>
    JSON.stringify([
      view.genome.id,
      view.model && view.model.id,
      view.ism && { ...view.ism, text: "", show: "", masks: [] },
      view.ism && view.ism.background === "alternate" ? view.edits.map((one) => one.text) : [],
    ]);

  async function ask(retry = false) {
    clearTimeout(timer);
    const mine = (asking = {});
    const { view } = ls.state();
    let answer;
    try {
      answer = await ls.post("/api/v1/ism", { query: view.query, retry });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      answer = { ...(found || {}), complete: error.status < 500, failed: true, message: error.message };
    }
    if (mine !== asking) return;
    window.performance.mark("locuscope:ism-data");
    found = answer;
    show();
    window.performance.mark("locuscope:ism");
    if (!found.complete && !stopped && !document.hidden) {
      timer = setTimeout(ask, found.failed ? RETRY_MS : POLL_MS);
    }
  }

  function cancel() {
    stopped = true;
    asking = null;
    clearTimeout(timer);
    show();
  }

  function again() {
    stopped = false;
    ask(Boolean(found && found.failed));
  }

  ls.on("view", (view) => {
    const now = keyOf(view);
    if (now === key) return;
    key = now;
    found = null;
    stopped = false;
    asking = null;
    clearTimeout(timer);
    if (view.ism) ask();
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && wanted() && found && !found.complete && !stopped) ask();
  });

  // ---- The row --------------------------------------------------------------------------------

  const ready = () => found && found.contributions;

  function layer() {
    let node = $("ism");
    if (!node) {
      node = make("div");
      node.id = "ism";
      $("world").append(node);
    }
    return node;
  }

  function show() {
    const { view } = ls.state();
    const at = view && row();
    const node = layer();
    node.hidden = !at;
    if (!at || !place) return;
    const ism = view.ism;
    const { region, px } = place;
    node.style.top = `${at.top}px`;
    node.style.height = `${at.height}px`;
    node.style.left = `${(ism.start - region.start) * px}px`;
    node.style.width = `${(ism.end - ism.start) * px}px`;
    const drawn = ready() ? ls.drawIsm(found, ism.show, ism.start, px, at.height) : null;
    node.innerHTML = drawn
      ? `<svg class="ism-letters" width="${(ism.end - ism.start) * px}" height="${at.height}">${drawn.svg}</svg>`
      : "";
    node.classList.toggle("waiting", !drawn);
    if (ready() && found.motifs) showMotifs(node, ism, px);
    showLabel(view, drawn);
    showMessage(at);
    ls.showIsmDrawer(found, stopped);
  }

  // Brackets over seqlets. Of names that would cover each other the stronger one is written.
  function showMotifs(node, ism, px) {
    const strength = (one) => Math.abs(one.attribution);
    const brackets = [...found.motifs]
      .sort((a, b) => strength(b) - strength(a))
      .flatMap((one) => motif(one, ism, px));
    node.append(...brackets);
    const written = [];
    for (const bracket of brackets) {
      const name = bracket.firstChild;
      const box = name.getBoundingClientRect();
      const free = written.every((other) => box.right + 3 < other.left || other.right + 3 < box.left);
      if (free) written.push(box);
      else name.hidden = true;
    }
  }

  // A bracket over a seqlet, with the name of the motif that it looks like most.
  function motif(seqlet, ism, px) {
    const inside = found.places.slice(seqlet.start, seqlet.end).filter((one) => one !== null);
    const [best] = seqlet.matches;
    if (!inside.length || !best) return [];
    const left = Math.min(...inside) - ism.start;
    const width = Math.max(...inside) + 1 - ism.start - left;
    const node = make("button", "motif");
    node.append(make("span", "", ls.motifName(seqlet)));
    node.setAttribute("aria-label", ls.motifName(seqlet));
    node.style.left = `${left * px + 1}px`;
    node.style.width = `${width * px - 2}px`; // so that neighbours do not look like one
    node.classList.toggle("unsure", best.q > 0.05);
    node.title = `${best.name} (${best.id}), strand ${best.strand}, q ${ls.valueText(best.q)}.` +
      `${seqlet.alike ? ` ${seqlet.alike} other factor${seqlet.alike > 1 ? "s fit" : " fits"} as well.` : ""} Click for the matrix.`;
    node.onclick = () => ls.openMotif(seqlet);
    return [node];
  }

  function showLabel(view, drawn) {
    const old = document.querySelector(".row-label.ism");
    if (old) old.remove();
    const at = row();
    const node = make("div", "row-label ism");
    node.style.top = `${at.top}px`;
    node.style.height = `${at.height}px`;
    const { ism } = view;
    const head = make("div", "row-head");
    head.append(make("b", "", NAMES[ism.method]));
    if (ism.background === "alternate") head.append(make("span", "muted", "alternate"));
    const menu = make("button", "row-menu", "\u22ef");
    menu.setAttribute("aria-label", "Settings of in silico mutagenesis (i)");
    menu.onclick = () => ls.openIsm();
    const readout = found && found.readout;
    const score = { lfc: "ln ratio", difference: "difference" }[ism.score];
    node.append(head, make("div", "row-detail", readout ? readout.label : ""));
    node.append(make("div", "row-detail", readout ? `${score}, ${readout.mask_text}` : score), menu);
    const ways = make("div", "ism-ways");
    for (const [way, word] of Object.entries(SHOW)) {
      const one = make("button", "", word);
      one.setAttribute("aria-pressed", String(way === ism.show));
      one.onclick = () => change({ show: way });
      ways.append(one);
    }
    node.append(ways);
    if (view.simulated) node.append(make("span", "row-simulated", "simulated"));
    if (drawn && ism.show === "heat") {
      [..."ACGT"].forEach((letter, i) => {
        const mark = make("span", `ism-base base-${letter}`, letter);
        mark.style.top = `${ls.NAMES_PX + ((i + 0.5) * (at.height - ls.NAMES_PX)) / 4}px`;
        node.append(mark);
      });
    } else if (drawn && drawn.high !== drawn.low) {
      if (drawn.high > 0) node.append(tick(drawn.high, ls.NAMES_PX));
      if (drawn.low < 0) node.append(tick(drawn.low, at.height - 10));
    }
    node.title = readout
      ? [found.method_text, readout.label, readout.mask_text, readout.score_text].join(" \u00b7 ")
      : "";
    document.querySelector(".row-label.genes").after(node);
  }

  function tick(value, top) {
    const node = make("span", "ism-tick", ls.valueText(value).replace("-", "\u2212"));
    node.style.top = `${top}px`;
    return node;
  }

  // What is the matter, in words, in the row.
  function showMessage(at) {
    let node = $("ism-message");
    if (!node) {
      node = make("div", "row-message");
      node.id = "ism-message";
    }
    $("row-messages").append(node);
    node.style.top = `${at.top}px`;
    node.style.height = `${ready() && found.done ? 18 : at.height}px`;
    node.replaceChildren();
    const say = stateText();
    if (!say) return;
    const pill = make("span", found && found.failed ? "pill failed" : "pill active", say.text);
    const button = make("button", "link", say.button);
    button.onclick = say.run;
    pill.append(" ", button);
    pill.title = say.text;
    node.append(pill);
  }

  // Returns {text, button, run}: how far it is, and what can be done about it; null when all is there.
  function stateText() {
    if (found && found.failed) return { text: found.message, button: "Retry", run: again };
    if (found && found.complete) return null;
    const counted = ready() && found.total && wanted().method === "ism";
    const done = counted ? `${found.done} of ${found.total} bases` : "";
    if (stopped) return { text: `Stopped${done && `: ${done}`}.`, button: "Continue", run: again };
    const method = wanted().method;
    const about = method === "ism" ? "" : `${NAMES[method]}. `;
    return { text: about + ((found && found.message) || "Waiting"), button: "Cancel", run: cancel };
  }

  ls.on("states", ({ region, px }) => {
    place = { region, px };
    show();
  });

  // ---- Under the pointer ----------------------------------------------------------------------

  // The base of the row under the pointer: its index in `found`, or -1.
  function under(event) {
    const { view, drawn } = ls.state();
    const at = drawn && row();
    if (!at || !ready()) return -1;
    const y = event.clientY - $("viewport").getBoundingClientRect().top;
    if (y < at.top || y >= at.top + at.height) return -1;
    const position = Math.floor(ls.positionAt(event.clientX));
    return view.ism.chrom === view.locus.chrom ? found.places.indexOf(position) : -1;
  }

  const signed = (value) =>
    value === null ? "no value" : `${value > 0 ? "+" : ""}${ls.valueText(value).replace("-", "\u2212")}`;

  // What each change of a base does, as [letter, text]; nothing where it is not known.
  function effectsAt(position) {
    const i = ready() ? found.places.indexOf(position) : -1;
    if (i < 0 || ls.state().view.ism.chrom !== ls.state().view.locus.chrom) return new Map();
    return new Map(
      [..."ACGT"]
        .map((letter, k) => [letter, found.effects[i][k]])
        .filter(([letter, value]) => letter !== found.bases[i] && value !== null)
        .map(([letter, value]) => [letter, signed(value)]),
    );
  }

  function hover(event) {
    const i = under(event);
    const tip = $("ism-tip") || document.body.appendChild(Object.assign(make("div"), { id: "ism-tip" }));
    tip.hidden = i < 0;
    if (i < 0) return;
    const { base } = ls.state();
    const position = found.places[i];
    const changes = [...effectsAt(position)].map(([letter, text]) => `${found.bases[i]}\u203a${letter} ${text}`);
    const lines = [
      `${ls.positionText(base.chromosome, position)} ${found.bases[i]}`,
      `contribution ${signed(found.contributions[i])}`,
      ...changes,
    ];
    tip.replaceChildren(...lines.map((line, n) => make("div", n ? "" : "tip-title", line)));
    tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
    $("readout").textContent = lines.join("   ");
  }

  ls.page.then(() => {
    $("viewport").addEventListener("pointermove", hover);
    $("viewport").addEventListener("pointerleave", () => {
      if ($("ism-tip")) $("ism-tip").hidden = true;
    });
  });

  Object.assign(ls, {
    MOST_ISM_BP: MOST_BP,
    explain,
    explainHere,
    explainPeak,
    effectsAt,
    overIsm: (event) => under(event) >= 0,
    ism: { change, cancel, again, stateText, signed, state: () => ({ found, stopped, wanted: wanted() }) },
  });
})();
