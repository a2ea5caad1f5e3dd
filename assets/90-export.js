// The drawer from which pictures and data are taken out.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const PICTURE_PX = 680; // 180 mm: a label of 11 px is one of 8.25 pt
  const PICTURE_PAGE_PX = 12000; // as high as any view, so that no row is out of sight
  const WAIT_MS = 180000;
  const QUIET_MS = 400;

  const linkOf = (query) => `${window.location.origin}${window.location.pathname}?${query}`;

  function save(blob, name) {
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  const COMPARED = {
    overlay: "colour: alternate, grey line: reference",
    difference: "alternate \u2212 reference: red gain, blue loss",
    split: "grey line, above: reference, colour: alternate",
    reference: "grey line: reference",
    alternate: "colour: alternate",
  };

  // What the colours of the rows mean; contact maps have a legend beside them.
  function legend(view) {
    const rows = view.rows.filter((row) => row.kind !== "contacts");
    const told = [];
    if (rows.some((row) => row.predicted.length)) told.push(view.edited ? COMPARED[view.compare] : "colour: predicted");
    if (told.length && view.spread) told.push("band: \u00b1 1 SD over 6 readings");
    if (rows.some((row) => row.predicted.length && row.observed.length)) {
      told.push(view.mode === "overlay" ? "light grey: observed" : "grey, below: observed");
    }
    if (view.ism && view.ism.show === "heat") {
      told.push("ISM: red raises and blue lowers the read-out, a dot marks the base that is there");
    }
    const units = rows.filter((row) => !row.features).map((row) => `${row.label} in ${row.unit}`);
    return [...told, ...new Set(units)];
  }

  // What a reader of a picture must know: where, of what, by what, when, and what it is not.
  function caption(view, failed) {
    const { genome, model, locus } = view;
    const day = new Date().toISOString().slice(0, 10);
    const assembly = genome.assembly === genome.id ? "" : ` (${genome.assembly})`;
    const predicted = model && view.rows.some((row) => row.predicted.length);
    const first = [`${locus.text} \u00b7 ${locus.width_text}`, `${genome.name}${assembly}`];
    if (predicted) first.push(`predicted by ${model.title}, numbers checked by ${model.validation}`);
    first.push(`${view.program}, ${day}`);
    const lines = [first.join(" \u00b7 ")];
    const told = legend(view);
    if (told.length) lines.push(told.join(" \u00b7 "));
    if (view.edits.length) lines.push(`Edits: ${view.edits.map((one) => one.label).join(", ")}`);
    lines.push(linkOf(view.query));
    const badges = ["not for clinical use"];
    if (genome.simulated) badges.unshift("simulated: nothing here is a measurement of an organism");
    else if (view.simulated) badges.unshift("simulated: what is predicted follows made-up rules");
    if (predicted && model.licence_note) badges.push(model.licence_note);
    if (failed) badges.push(`not all of it could be predicted: ${failed}`);
    return [...lines, badges.join(" \u00b7 ")];
  }

  // ---- Pictures -------------------------------------------------------------------------------

  const quiet = (win) =>
    new Promise((resolve) => {
      let timer = win.setTimeout(done, QUIET_MS);
      const watch = new win.MutationObserver(() => {
        win.clearTimeout(timer);
        timer = win.setTimeout(done, QUIET_MS);
      });
      watch.observe(win.document.body, { childList: true, subtree: true, attributes: true });
      function done() {
        watch.disconnect();
        resolve();
      }
    });

  function settledIn(win) {
    const root = win.document && win.document.documentElement;
    if (!win.locuscope || !win.locuscope.state || !root || root.classList.contains("loading")) return false;
    const failed = win.document.getElementById("page-message");
    if (failed && !failed.hidden) throw new ls.ServerError(0, { message: failed.textContent });
    const { drawn, progress } = win.locuscope.state();
    const here = drawn && win.document.querySelector("#centre-slot #centre");
    const busy = win.document.querySelector("#canvas :is([aria-busy=true], .busy, .pill.active)");
    return Boolean(here && !busy && (!progress || progress.complete || progress.failed));
  }

  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // Draws a view anew, as wide as a page is, on white ground and without what is only for the hand.
  async function drawnAnew(query) {
    const frame = make("iframe", "picture-frame");
    frame.name = "picture";
    frame.width = PICTURE_PX;
    frame.height = PICTURE_PAGE_PX;
    frame.setAttribute("aria-hidden", "true");
    frame.tabIndex = -1;
    const asked = new URLSearchParams(query);
    asked.set("theme", "light");
    frame.src = `${window.location.pathname}?${asked}`;
    document.body.append(frame);
    try {
      const end = performance.now() + WAIT_MS;
      const win = frame.contentWindow;
      while (!settledIn(win)) {
        if (performance.now() > end) {
          throw new ls.ServerError(0, { message: "This view is still being computed. Try again when it is drawn." });
        }
        await rest(100);
      }
      await quiet(win);
      const { view, progress } = win.locuscope.state();
      const shown = { ...view, query };
      return { ...ls.picture(win, caption(shown, progress && progress.failed && progress.message)), view };
    } finally {
      frame.remove();
    }
  }

  // Twice as many pixels each way as the view has on the screen.
  async function asPng({ text, width, height }) {
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    try {
      await image.decode();
      const canvas = make("canvas");
      canvas.width = 2 * Math.round(width);
      canvas.height = 2 * Math.round(height);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }

  async function asPdf({ text }) {
    const headers = { "Content-Type": "image/svg+xml" };
    return (await ls.request("/api/v1/pdf", { method: "POST", headers, body: text })).blob();
  }

  const PICTURES = {
    svg: async ({ text }) => new Blob([text], { type: "image/svg+xml" }),
    png: asPng,
    pdf: asPdf,
  };

  async function savePicture(format, query) {
    const drawn = await drawnAnew(query);
    save(await PICTURES[format](drawn), `${drawn.view.file}.${format}`);
  }

  // ---- Data -----------------------------------------------------------------------------------

  async function saveData(ending, query, row) {
    const only = row ? `&only=${encodeURIComponent(row.id)}` : "";
    const response = await ls.request(`/api/v1/export.${ending}?${query}${only}`);
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))[1];
    save(await response.blob(), name);
  }

  // ---- The drawer -----------------------------------------------------------------------------

  // A button that says what it does while it does it.
  function worker(text, title, run) {
    const button = make("button", "tool", text);
    button.title = title;
    button.onclick = async () => {
      button.disabled = true;
      button.setAttribute("aria-busy", "true");
      try {
        await run();
      } catch (error) {
        if (!(error instanceof ls.ServerError)) throw error;
        ls.notice(error.message, "error");
      } finally {
        button.disabled = false;
        button.removeAttribute("aria-busy");
      }
    };
    return button;
  }

  function section(body, title, words, ...buttons) {
    const tools = make("div", "tools export-tools");
    tools.append(...buttons);
    body.append(make("h3", "", title), make("p", "muted small", words), tools);
  }

  // Opens the drawer for what is in view, or for a part of it (`locus`, as in a link), or a row.
  function openExport({ locus = null, row = null, notes = false } = {}) {
    const { view } = ls.state();
    if (!view) return;
    const text = locus ? view.query.replace(/(^|&)locus=[^&]*/, `$1locus=${locus}`) : view.query;
    const body = ls.openDrawer("Export");
    if (view.simulated) body.append(make("p", "row-simulated export-badge", "simulated"));
    if (!row) pictures(body, text);
    const of = row ? `${row.label} ${row.biosample ? row.biosample.name : row.title}` : "the rows";
    section(
      body,
      "Data",
      `Native bins of ${of}, with where they come from: one table, or a bigWig, BEDPE or BED file a track.`,
      worker("TSV", "One line a bin and track", () => saveData("tsv", text, row)),
      worker("ZIP", "bigWig for signals, BEDPE for contacts, BED for introns", () =>
        saveData("zip", text, row),
      ),
    );
    if (!row) {
      section(
        body,
        "Program",
        `Computes and draws this view with the Python package.${
          view.rows.some((one) => one.modality === "OWN") ? " Put the paths of own files where it says so." : ""
        }`,
        worker("Python", "A script that needs this package", () => saveData("py", text)),
      );
    }
    const box = row ? null : ls.sessionSection(body, worker);
    (notes ? box : body.querySelector("button")).focus();
  }

  function pictures(body, text) {
    section(
      body,
      "Picture",
      "180 mm wide on white ground, with a caption that says what it shows and the link.",
      worker("SVG", "Shapes and text, for any drawing program", () => savePicture("svg", text)),
      worker("PNG", "Two pixels for each of the screen", () => savePicture("png", text)),
      worker("PDF", "Shapes and text, for print", () => savePicture("pdf", text)),
    );
  }

  Object.assign(ls, { openExport, save });
})();
