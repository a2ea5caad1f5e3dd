// Edits of the sequence: the box that takes them, their list, their marks over the tracks, and how
// reference and alternate are compared.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make, setProps } = ls;
  const WAYS = ["overlay", "difference", "split"];

  const own = (view) => view.edits.filter((one) => one.chrom === view.locus.chrom);
  const keyOf = (one) => (one.kind === "variant" ? "variant" : "edit");

  // The keys of the link that hold these edits.
  function asChange(edits) {
    const of = (key) => edits.filter((one) => keyOf(one) === key).map((one) => one.text);
    return { variant: of("variant"), edit: of("edit") };
  }

  // ---- Typing and pasting -------------------------------------------------------------------

  const box = () => $("edit-box");

  function say(error) {
    const under = $("edit-message");
    under.replaceChildren();
    under.hidden = !error;
    if (!error) return;
    under.append(make("span", "", error.message));
    if (error.suggestion) {
      const nearest = make("button", "link", error.suggestion);
      nearest.onclick = () => add(error.suggestion);
      under.append(" Nearest: ", nearest);
    }
  }

  // Adds what a text says to the edits that are there. Returns whether it could be read.
  async function add(text) {
    const { view } = ls.state();
    if (!view) return false;
    const edits = view.edits.map((one) => one.text);
    try {
      const answer = await ls.post("/api/v1/edits", { genome: view.genome.id, text, edits });
      say(null);
      const change = asChange([...view.edits, ...answer.edits]);
      await ls.go({ ...change, ...placeOf(answer.edits, view) });
      box().value = "";
      return true;
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      say(error);
      return false;
    }
  }

  // Where an edit that is out of view stands; nothing for one that is in view.
  function placeOf(edits, view) {
    const [first] = edits;
    const { chrom, start, end, pieces } = view.locus;
    if (first.chrom === chrom && first.start < end && first.end > start) return {};
    if (first.chrom !== chrom) {
      const from = Math.max(0, first.start - 500);
      return { locus: ls.locusText(first.chrom, from, first.end + 500) };
    }
    const width = Math.max(end - start, first.end - first.start);
    const piece = pieces.find((p) => p.start <= first.start && first.start < p.end);
    let left = Math.round((first.start + first.end - width) / 2);
    if (piece) left = Math.max(piece.start, Math.min(left, piece.end - width));
    return { locus: ls.locusText(chrom, Math.max(0, left), Math.max(0, left) + width) };
  }

  function remove(edit) {
    const { view } = ls.state();
    say(null);
    ls.go(asChange(view.edits.filter((one) => one.text !== edit.text)));
  }

  function bindBox() {
    const area = box();
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        add(area.value);
      } else if (event.key === "Escape") {
        say(null);
        area.blur();
      }
    });
    area.addEventListener("input", () => say(null));
  }

  function focusBox() {
    if (!box().offsetParent) ls.act("toggle-side");
    box().focus();
  }

  // ---- The list -----------------------------------------------------------------------------

  function chip(edit) {
    const node = make("div", "edit-chip");
    const go = make("button", "edit-name", edit.label);
    go.title = [edit.label, edit.detail, "Click to go there."].filter(Boolean).join(" \u00b7 ");
    go.onclick = () => {
      const change = placeOf([edit], ls.state().view);
      if (change.locus) ls.go(change);
    };
    const explain = make("button", "link", "ISM");
    explain.title = "In silico mutagenesis around this edit";
    explain.hidden = edit.chrom !== ls.state().view.locus.chrom || !ls.state().view.model;
    explain.onclick = () => ls.explain(edit.start - 50, edit.end + 50);
    const away = make("button", "edit-remove", "\u00d7");
    away.setAttribute("aria-label", `Remove ${edit.label}`);
    away.onclick = () => remove(edit);
    node.append(go, make("span", "muted", edit.detail), explain, away);
    return node;
  }

  function showList(view) {
    $("edit-list").replaceChildren(...view.edits.map(chip));
    const many = view.edits.length;
    $("edit-controls").hidden = !view.edited;
    $("edits-badge").hidden = many === 0;
    $("edits-badge").textContent = many === 1 ? "1 edit" : `${many} edits`;
    const away = many && !view.edited ? " They are on another chromosome." : "";
    $("edits-badge").title = `${view.edits.map((one) => one.label).join("\n")}${away}`;
    setProps("compare", { value: view.compare });
  }

  ls.on("settled", (view) => {
    ls.page.then(() => {
      if (ls.state().view === view) showList(view);
    });
  });

  // ---- Comparing ----------------------------------------------------------------------------

  ls.on("compare", (how) => {
    setProps("compare", { value: how });
    const words = {
      overlay: "Reference as a line over the alternate",
      difference: "Alternate \u2212 reference",
      split: "Reference above alternate",
      reference: "Reference alone",
      alternate: "Alternate alone",
    };
    ls.toast(words[how]);
  });

  function nextWay() {
    const { view } = ls.state();
    if (!view.edited) ls.toast("Make an edit first (v)");
    else ls.compare(WAYS[(WAYS.indexOf(view.compare) + 1) % WAYS.length]);
  }

  function flipAllele() {
    const { view } = ls.state();
    if (!view.edited) ls.toast("Make an edit first (v)");
    else ls.compare(view.compare === "reference" ? "alternate" : "reference");
  }

  window.dash_clientside.controls.compare = (how) => {
    if (how && ls.state().view) ls.compare(how);
  };

  // ---- Marks over the tracks ----------------------------------------------------------------

  function band(className, start, end, text, { region, px }) {
    const node = make("div", `edit-mark ${className}`);
    node.style.left = `${(start - region.start) * px}px`;
    node.style.width = `${Math.max(2, (end - start) * px)}px`;
    if (text) node.append(make("b", "", text));
    return node;
  }

  const short = (text) => (text.length > 24 ? `${text.slice(0, 22)}\u2026` : text);

  function marks(edit, place) {
    const found = [];
    const { deleted, inserted } = edit;
    const change = edit.kind === "variant" ? short(edit.text.split(":")[2]) : "";
    const bases = ls.widthText;
    if (deleted) {
      found.push(band("deleted", deleted[0], deleted[1], change || `\u2212${bases(deleted[1] - deleted[0])}`, place));
    } else if (!inserted) {
      found.push(band(edit.kind, edit.start, edit.end, change || `${edit.label.split(" ")[1]}`, place));
    } else if (edit.kind === "duplication") {
      found.push(band("duplication", edit.start, edit.end, "", place));
    }
    if (inserted) {
      const mark = make("button", "inserted-mark");
      mark.dataset.label = change || `+${bases(inserted.length)}`;
      mark.setAttribute("aria-label", `${edit.label}, ${edit.detail}`);
      mark.style.left = `${(inserted.at - place.region.start) * place.px}px`;
      mark.dataset.at = inserted.at;
      mark.title = `${edit.label}: show what is predicted of the inserted bases`;
      mark.setAttribute("aria-expanded", "false");
      mark.onclick = () => toggleInserted(edit, mark);
      found.push(mark);
    }
    return found;
  }

  ls.on("states", ({ region, px }) => {
    let layer = $("edit-marks");
    if (!layer) {
      layer = make("div");
      layer.id = "edit-marks";
      $("world").append(layer);
    }
    const { view } = ls.state();
    const { genes } = view.figure.geometry;
    layer.style.setProperty("--label-top", `${genes.top + genes.height - 12}px`);
    const open = [...layer.querySelectorAll("[aria-expanded=true]")].map((one) => one.dataset.at);
    const inside = own(view).filter((one) => one.start < region.end && one.end >= region.start);
    layer.replaceChildren(...inside.flatMap((one) => marks(one, { region, px })));
    for (const mark of layer.querySelectorAll(".inserted-mark")) {
      if (open.includes(mark.dataset.at)) mark.click();
    }
  });

  // What is predicted of inserted bases, in place: at the scale of the view, beside their mark.
  async function toggleInserted(edit, mark) {
    const shown = mark.nextElementSibling;
    if (shown && shown.classList.contains("inserted-box")) {
      shown.remove();
      mark.setAttribute("aria-expanded", "false");
      return;
    }
    mark.setAttribute("aria-expanded", "true");
    const { view, base } = ls.state();
    try {
      const answer = await ls.json(`/api/v1/inserted?${view.query}`);
      const found = answer.insertions.find((one) => one.at === edit.inserted.at);
      if (!mark.isConnected || mark.getAttribute("aria-expanded") !== "true") return;
      const px = $("viewport").clientWidth / (base.end - base.start);
      mark.after(insertedBox(view, found, edit, Math.min(320, Math.max(36, edit.inserted.length * px))));
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      ls.notice(error.message, "error");
    }
  }

  function insertedBox(view, found, edit, width) {
    const host = make("div", "inserted-box");
    const { base, region } = ls.state();
    const px = $("viewport").clientWidth / (base.end - base.start);
    host.style.left = `${(edit.inserted.at - region.start) * px + 2}px`;
    host.style.width = `${width}px`;
    host.title = edit.label;
    const height = view.figure.geometry.height;
    const shapes = [];
    for (const trace of view.figure.compare.alternate || []) {
      const top = ls.tops().get(trace.meta.row);
      for (const series of trace.meta.series) {
        const bins = found && found.tracks[series.track.slice(4)];
        if (!bins || !top) continue;
        const path = ls.stepPath(bins, found, series, top, width);
        shapes.push(`<path d="${path}" fill="${trace.fillcolor}" stroke="${trace.line.color}"/>`);
      }
    }
    host.innerHTML = `<svg width="${width}" height="${height}">${shapes.join("")}</svg>`;
    return host;
  }

  // ---- Clicking a base, and a selected region -----------------------------------------------

  async function offerBase(position, event) {
    const { view, base } = ls.state();
    const query = new URLSearchParams({
      genome: view.genome.id,
      chrom: base.chromosome,
      start: position,
      end: position + 1,
    });
    try {
      const { sequence } = await ls.json(`/api/v1/sequence?${query}`);
      const menu = make("div", "menu base-menu");
      menu.id = "menu";
      menu.setAttribute("role", "menu");
      menu.append(make("div", "menu-title", `${ls.positionText(base.chromosome, position)} ${sequence}`));
      const effects = ls.effectsAt(position);
      for (const letter of "ACGT") {
        if (letter === sequence || sequence === "N") continue;
        const one = make("button", "", `${sequence} \u2192 ${letter} `);
        one.append(make("span", "muted", effects.get(letter) || ""));
        one.setAttribute("role", "menuitem");
        one.onclick = () => {
          ls.closeMenu();
          substitute(position, sequence, letter);
        };
        menu.append(one);
      }
      const explain = make("button", "", "ISM around this base");
      explain.setAttribute("role", "menuitem");
      explain.onclick = () => {
        ls.closeMenu();
        ls.explain(position - 50, position + 51);
      };
      if (view.model) menu.append(explain);
      ls.closeMenu();
      document.body.append(menu);
      menu.style.left = `${Math.min(event.clientX, window.innerWidth - menu.offsetWidth - 8)}px`;
      menu.style.top = `${Math.min(event.clientY + 6, window.innerHeight - menu.offsetHeight - 8)}px`;
      menu.querySelector("button")?.focus();
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      ls.toast(error.message);
    }
  }

  // Another letter in place of one that was chosen before replaces it.
  async function substitute(position, reference, letter) {
    const { view, base } = ls.state();
    const text = `${base.chromosome}:${position + 1}:${reference}>${letter}`;
    const same = view.edits.find(
      (one) => one.kind === "variant" && one.chrom === base.chromosome && one.start === position && one.end === position + 1,
    );
    if (!same) return addOrSay(text);
    const others = view.edits.filter((one) => one !== same);
    return ls.go(asChange([...others, { kind: "variant", text }]));
  }

  async function addOrSay(text) {
    if (!(await add(text))) ls.notice($("edit-message").textContent, "error");
  }

  function editSelection(what) {
    const { start, end } = ls.selected();
    const { base } = ls.state();
    ls.clearSelection();
    addOrSay(`${ls.locusText(base.chromosome, start, end)}:${what}`);
  }

  ls.page.then(bindBox);

  Object.assign(ls, { focusEdits: focusBox, addEdit: addOrSay, nextWay, flipAllele, offerBase, editSelection, substitute });
})();
