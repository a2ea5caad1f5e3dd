// The view: one figure three screens wide that is moved by a CSS transform while it is panned or
// zoomed, and drawn anew when the movement has come to rest.
(() => {
  "use strict";
  const ls = window.locuscope;
  const SETTLE_MS = 140;
  const POLL_MS = 250;
  const LEAST_BP = 20;

  const $ = (id) => document.getElementById(id);
  const params = new URLSearchParams();
  let view = null; // what the server said of the view that is drawn
  let base = null; // {chromosome, start, end}: the view for which the figure was drawn
  let region = null; // what the figure covers: base and a screen on either side
  let visible = null; // {start, end} at this moment, while a hand moves it
  let where = null; // {scene, chromosome, bin}: which tiles are drawn
  let progress = null;
  let agreement = new Map();
  let loading = null; // AbortController of the load under way
  let bin = 1; // width in bp of what is drawn as one step
  let drawn = false;
  let drawnPx = 1; // width in px of the view for which the figure was drawn
  let settleTimer = 0;
  let pollTimer = 0;
  let frameRequest = 0;
  let glide = 0;
  let aim = null; // where a glide under way ends: what comes next starts from there
  const listeners = new Map();

  const emit = (name, detail) => (listeners.get(name) || []).forEach((f) => f(detail));
  const on = (name, f) => listeners.set(name, [...(listeners.get(name) || []), f]);
  // Before Dash has written the page its width is known from the window: the sizes are tokens.
  function plotWidth() {
    if ($("viewport")) return Math.max(200, $("viewport").clientWidth);
    const css = getComputedStyle(document.documentElement);
    const px = (name) => parseInt(css.getPropertyValue(name), 10);
    const side = window.innerWidth < 1100 ? 0 : px("--side");
    return Math.max(200, window.innerWidth - side - px("--gutter"));
  }
  const dark = () => document.documentElement.dataset.theme === "dark";

  function bounds() {
    const { chrom_length: length, pieces } = view.locus;
    if (length) return [0, length];
    return [Math.min(...pieces.map((p) => p.start)), Math.max(...pieces.map((p) => p.end))];
  }

  // Keeps the middle of a view on known sequence, and a view of a whole chromosome inside it.
  function within(start, end) {
    const [low, high] = bounds();
    const width = Math.min(Math.max(LEAST_BP, end - start), Math.max(LEAST_BP, high - low));
    let middle = (start + end) / 2;
    const distance = (piece) => Math.max(piece.start - middle, middle - piece.end, 0);
    const { pieces, chrom_length: length } = view.locus;
    const nearest = pieces.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    middle = Math.min(nearest.end, Math.max(nearest.start, middle));
    if (length) middle = Math.min(high - width / 2, Math.max(low + width / 2, middle));
    return { start: Math.max(0, middle - width / 2), end: Math.max(0, middle - width / 2) + width };
  }

  // The same in whole bases.
  function clamp(start, end) {
    const inside = within(start, end);
    const width = Math.round(inside.end - inside.start);
    const left = Math.round(inside.start);
    return { start: left, end: left + width };
  }

  // ---- Movement -------------------------------------------------------------------------------

  function applyTransform() {
    frameRequest = 0;
    if (!base || !drawn) return;
    const px = plotWidth();
    const bpPerPx = (visible.end - visible.start) / px;
    const scale = ((base.end - base.start) / (visible.end - visible.start)) * (px / drawnPx);
    const shift = (region.start - visible.start) / bpPerPx;
    const transform = `translate3d(${shift}px,0,0) scale(${scale},1)`;
    $("world").style.transform = transform;
    $("ruler-world").style.transform = transform;
    placeWindow();
    emit("moved", { chromosome: base.chromosome, ...clamp(visible.start, visible.end) });
  }

  function moveTo(start, end) {
    visible = { start, end };
    if (!frameRequest) frameRequest = requestAnimationFrame(applyTransform);
  }

  function settleSoon(ms = SETTLE_MS) {
    clearTimeout(settleTimer);
    settleTimer = setTimeout(settle, ms);
  }

  function settle() {
    clearTimeout(settleTimer);
    const target = clamp(visible.start, visible.end);
    if (target.start === base.start && target.end === base.end) {
      moveTo(target.start, target.end);
      return;
    }
    go({ locus: ls.locusText(base.chromosome, target.start, target.end) });
  }

  function panBy(bp) {
    const target = within(visible.start + bp, visible.end + bp);
    moveTo(target.start, target.end);
  }

  function zoomAt(factor, anchor) {
    const at = anchor === undefined ? (visible.start + visible.end) / 2 : anchor;
    const [low, high] = bounds();
    const width = visible.end - visible.start;
    const next = Math.min(high - low, Math.max(LEAST_BP, width * factor));
    const start = at - ((at - visible.start) * next) / width;
    const target = within(start, start + next);
    moveTo(target.start, target.end);
  }

  // Buttons and keys glide, so that the eye can follow.
  function glideTo(start, end) {
    const target = clamp(start, end);
    cancelAnimationFrame(glide);
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      visible = target;
      settle();
      return;
    }
    aim = target;
    const from = { ...visible };
    const begun = performance.now();
    const step = (now) => {
      const t = Math.min(1, (now - begun) / 140);
      const ease = t * (2 - t);
      moveTo(
        from.start + (target.start - from.start) * ease,
        from.end + (target.end - from.end) * ease,
      );
      if (t < 1) glide = requestAnimationFrame(step);
      else {
        aim = null;
        visible = target;
        settle();
      }
    };
    glide = requestAnimationFrame(step);
  }

  const pan = (screens) => {
    const { start, end } = aim || visible;
    const by = (end - start) * screens;
    glideTo(start + by, end + by);
  };

  function zoom(factor, anchor) {
    const from = aim || visible;
    const at = anchor === undefined ? (from.start + from.end) / 2 : anchor;
    const width = from.end - from.start;
    const next = Math.max(LEAST_BP, width * factor);
    const start = at - ((at - from.start) * next) / width;
    glideTo(start, start + next);
  }

  // ---- Loading --------------------------------------------------------------------------------

  // Before the id of a predicted track: of the alternate allele, or of its change; before those the
  // edges of the band of the spread.
  const ALTERNATE = "alt:";
  const CHANGE = "diff:";
  const LOWER = "low:";
  const UPPER = "high:";
  const signalRows = () => view.rows.filter((row) => row.kind === "signal");
  const signalTracks = () =>
    signalRows().flatMap((row) => [
      ...[...row.predicted, ...row.observed].map((track) => track.id),
      ...(view.edited ? row.predicted.map((track) => ALTERNATE + track.id) : []),
      ...(view.ensemble === "on" ? row.predicted.flatMap((track) => edges(track.id)) : []),
    ]);
  const edges = (id) =>
    (view.edited ? ["", ALTERNATE, CHANGE] : [""]).flatMap((of) => [LOWER + of + id, UPPER + of + id]);

  // The edits as the link has them, and what names the genome with them.
  const edits = () =>
    view.edits.map((one) => [one.kind === "variant" ? "variant" : "edit", one.text]);
  const scene = () => [view.genome.id, ...edits().flat()].join("|");

  // Names finished data, so that the browser may keep the tiles; empty while windows are missing.
  function tileVersion() {
    if (!predicts()) return view.data.v;
    return progress && progress.complete ? progress.ready : "";
  }

  function tileRequest(locus) {
    const span = locus.end - locus.start;
    return {
      genome: view.genome.id,
      model: view.model ? view.model.id : "",
      chromosome: locus.chrom || locus.chromosome,
      start: locus.start - span,
      end: locus.end + span,
      bin,
      tracks: signalTracks(),
      version: tileVersion(),
      edits: edits(),
      scene: scene(),
    };
  }

  // Changes keys of the link and shows the view that it then names.
  //   change: {key: value | [values] | null}; history: "push" | "replace" | "keep"
  async function go(change = {}, history = "push") {
    const next = new URLSearchParams(params);
    for (const [key, value] of Object.entries(change)) {
      next.delete(key);
      if (Array.isArray(value)) value.forEach((one) => next.append(key, one));
      else if (value !== null) next.append(key, value);
    }
    await show(next, history);
  }

  let coming = null; // the view that was asked for and is not there yet

  async function show(next, history) {
    if (loading) loading.abort();
    const mine = new AbortController();
    loading = mine;
    coming = { next, history };
    clearTimeout(pollTimer);
    document.documentElement.classList.add("loading");
    const query = new URLSearchParams(next);
    query.set("width", plotWidth());
    query.set("ground", dark() ? "dark" : "light");
    try {
      const answer = await ls.json(`/api/v1/view?${query}`, { signal: mine.signal });
      if (!view || !answer.model || !view.model || view.model.id !== answer.model.id) progress = null;
      view = answer;
      bin = ls.binWidth(view.locus.end - view.locus.start, Number(query.get("width")));
      setParams(view.query, history);
      emit("loading", mine.signal);
      const [state, partial] = await Promise.all([
        askProgress(mine.signal),
        fetchTiles(mine.signal),
      ]);
      // Windows may have become ready after the tiles were read.
      if (state && partial && state.ready !== lastReady) {
        emit("loading", mine.signal);
        await fetchTiles(mine.signal);
      }
      lastReady = state ? state.ready : "";
      await frame;
      emit("view", view);
      draw(view.figure);
      emit("settled", view);
      askAgreement(mine.signal);
      pollSoon(mine.signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      await frame;
      emit("failed", error);
      if (base) moveTo(base.start, base.end);
    } finally {
      if (loading === mine) {
        loading = null;
        coming = null;
        document.documentElement.classList.remove("loading");
      }
    }
  }

  // Settled when a condition holds, looked at whenever the page changes.
  const once = (holds) =>
    new Promise((resolve) => {
      const watch = new MutationObserver(look);
      watch.observe(document.documentElement, { childList: true, subtree: true });
      function look() {
        if (!holds()) return;
        watch.disconnect();
        resolve();
      }
      window.addEventListener("load", look);
      look();
    });

  // The tracks' part of the page and plotly.js are there: the first data can be drawn.
  const frame = once(() => $("page-message") && window.Plotly);
  // Dash has written the rest of the page around it.
  const page = once(() => $("centre-slot") && $("status")).then(() => {
    $("centre-slot").append($("centre"));
    $("early").remove();
  });

  let lastReady = "";
  const fetchTiles = (signal) => ls.loadTiles(tileRequest(view.locus), signal);

  function setParams(query, history) {
    [...params.keys()].forEach((key) => params.delete(key));
    new URLSearchParams(query).forEach((value, key) => params.append(key, value));
    const url = `${window.location.pathname}?${query}`;
    if (history === "push" && `?${query}` !== window.location.search) {
      window.history.pushState(null, "", url);
    } else if (history !== "keep") {
      window.history.replaceState(null, "", url);
    }
    document.title = `${view.locus.text} \u00b7 Locuscope`;
  }

  // ---- Prediction -----------------------------------------------------------------------------

  const predicts = () => view.model && view.rows.some((row) => row.predicted.length);

  async function askProgress(signal, retry = false) {
    if (!predicts()) {
      progress = null;
      return null;
    }
    try {
      progress = await ls.post("/api/v1/predict", { query: view.query, retry }, signal);
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      progress = { complete: false, ready: "", spans: [], message: error.message, failed: true };
    }
    emit("progress", progress);
    return progress;
  }

  function pollSoon(signal) {
    clearTimeout(pollTimer);
    if (!progress || progress.complete || document.hidden) return;
    pollTimer = setTimeout(() => poll(signal), progress.failed ? 2000 : POLL_MS);
  }

  async function poll(signal, retry = false) {
    try {
      const before = lastReady;
      await askProgress(signal, retry);
      if (progress && progress.ready !== before) {
        emit("loading", signal);
        await fetchTiles(signal);
        lastReady = progress.ready;
        draw(view.figure);
        askAgreement(signal);
      } else {
        drawStates();
      }
      pollSoon(signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      // `lastReady` stays what it was, so that the next round asks for the same.
      progress = { ...progress, complete: false, failed: true, message: error.message };
      drawStates();
      pollSoon(signal);
    }
  }

  // ---- Agreement ------------------------------------------------------------------------------

  let agreementsAsked = 0;

  async function askAgreement(signal) {
    const pairs = signalRows().filter((row) => row.predicted.length && row.observed.length);
    if (!pairs.length) {
      agreement = new Map();
      emit("agreement", agreement);
      return;
    }
    try {
      const mine = ++agreementsAsked;
      const answer = await ls.json(`/api/v1/agreement?${view.query}`, { signal });
      if (mine !== agreementsAsked) return; // asked before the last windows were ready
      agreement = new Map(answer.rows.map((row) => [row.id, row]));
      emit("agreement", agreement);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      agreement = new Map();
      emit("agreement", agreement);
    }
  }

  // ---- Drawing --------------------------------------------------------------------------------

  function draw(figure) {
    const { chrom: chromosome, start, end } = view.locus;
    const span = end - start;
    base = { chromosome, start, end };
    region = { start: start - span, end: end + span };
    visible = { start, end };
    where = { scene: scene(), chromosome, bin };
    const settings = Object.fromEntries(
      view.rows.map((row) => [
        row.id,
        { scale: row.style.scale, max: row.style.ymax, shared: ls.sharedScale(row, view.autoscale) },
      ]),
    );
    const [place, within, around] = [where, region, base];
    const fill = (data) => ls.fill(data, place, within, around, settings);
    const px = plotWidth();
    drawnPx = px;
    figure.layout.width = 3 * px;
    $("world").style.width = `${3 * px}px`;
    $("world").style.height = `${figure.geometry.height}px`;
    const tops = ls.drawFigure(figure, view.compare, fill);
    drawRuler(px);
    drawOverview();
    drawn = true;
    $("rows-loading").hidden = true;
    applyTransform();
    drawStates();
    emit("drawn", { tops, geometry: figure.geometry, view });
    if (!window.performance.getEntriesByName("locuscope:first-data").length) {
      requestAnimationFrame(() => window.performance.mark("locuscope:first-data"));
    }
    window.performance.mark("locuscope:data");
  }

  function drawRuler(px) {
    const height = $("ruler").clientHeight;
    const svg = $("ruler-world");
    svg.setAttribute("width", 3 * px);
    svg.setAttribute("height", height);
    const bpPerPx = (base.end - base.start) / px;
    svg.innerHTML = ls.ruler(region, base, bpPerPx, height, view.locus.chrom_length);
  }

  function drawOverview() {
    const [low, high] = bounds();
    const percent = (bp) => (100 * (bp - low)) / (high - low);
    $("overview-pieces").innerHTML = view.locus.pieces
      .map((p) => {
        const width = Math.max(0.15, percent(p.end) - percent(p.start));
        return `<i style="left:${percent(p.start)}%;width:${width}%"></i>`;
      })
      .join("");
    placeWindow();
  }

  function placeWindow() {
    const [low, high] = bounds();
    const box = $("overview-window");
    box.style.left = `${(100 * (visible.start - low)) / (high - low)}%`;
    box.style.width = `${(100 * (visible.end - visible.start)) / (high - low)}%`;
  }

  // Hatching and words where a predicted row has no value yet, or can have none.
  const SPAN_WORDS = {
    unavailable: "Needs sequence beyond this piece",
    padded: "Beyond the sequence, or an assembly gap",
  };

  function drawStates() {
    // What failed is said in words; a shimmer would promise that it is on its way.
    const spans = ((progress && progress.spans) || []).filter(
      (span) => (span.state !== "missing" || !progress.failed) && span.state !== "deleted",
    );
    const px = drawnPx / (base.end - base.start);
    const world = [];
    const named = new Set(); // each span is explained once, in the first row
    for (const row of view.figure.geometry.rows) {
      const about = view.rows.find((one) => one.id === row.id);
      const banded = about.predicted.length > 0 && about.kind === "signal";
      if (!banded) continue;
      const half = about.observed.length && view.mode === "stacked" ? row.height / 2 : row.height;
      for (const span of spans) {
        const left = Math.max(span.start, region.start);
        const right = Math.min(span.end, region.end);
        if (right <= left) continue;
        const x = (left - region.start) * px;
        const title = SPAN_WORDS[span.state] || "";
        const words = named.has(span.start) ? "" : title;
        named.add(span.start);
        // The words stand in the part of the span that is in view.
        const from = (Math.max(left, base.start) - left) * px;
        const to = (Math.min(right, base.end) - left) * px;
        world.push(
          `<div class="band ${span.state}" title="${title}" style="left:${x}px;top:${row.top}px;` +
            `width:${(right - left) * px}px;height:${half}px">` +
            (words && to - from > 200
              ? `<span style="left:${from}px;width:${to - from}px">${words}</span>`
              : "") +
            "</div>",
        );
      }
    }
    for (const mark of view.highlights) {
      const left = (mark.start - region.start) * px;
      const width = Math.max(1, (mark.end - mark.start) * px);
      world.push(`<div class="highlight" style="left:${left}px;width:${width}px"></div>`);
    }
    $("bands").innerHTML = world.join("");
    emit("states", { progress, base, region, px });
  }

  // ---- Public ---------------------------------------------------------------------------------

  function valuesAt(position) {
    return signalRows().map((row) => ({
      row,
      predicted: row.predicted.map((t) => valueOf(t, position, row)),
      observed: row.observed.map((t) => valueOf(t, position, row)),
      alternate: view.edited
        ? row.predicted.map((t) => valueOf({ id: ALTERNATE + t.id }, position, row))
        : [],
      spread: spreadOf("", row, position),
      alternateSpread: view.edited ? spreadOf(ALTERNATE, row, position) : [],
    }));
  }

  // Half the height of the band: the standard deviation over the ensemble.
  function spreadOf(of, row, position) {
    if (view.ensemble !== "on") return [];
    return row.predicted.map((track) => {
      const [low, high] = [LOWER, UPPER].map((edge) => valueOf({ id: edge + of + track.id }, position, row));
      return (high - low) / 2;
    });
  }

  // Changes how reference and alternate are compared; all that it takes is here already.
  function compare(how) {
    if (!view || !drawn || view.compare === how) return;
    view.compare = how;
    const query = new URLSearchParams(params);
    if (how === "overlay") query.delete("compare");
    else query.set("compare", how);
    view.query = query.toString().replaceAll("+", "%20");
    setParams(view.query, "push");
    const tops = ls.swapFigure(how);
    if (tops) emit("drawn", { tops, geometry: view.figure.geometry, view });
    else draw(view.figure);
    emit("compare", how);
  }

  function valueOf(track, position, row) {
    const plane = ls.PLANE[row.summary];
    return ls.valueAt(where.scene, track.id, where.chromosome, where.bin, position, plane);
  }

  Object.assign(ls, {
    on,
    once,
    page,
    go,
    show,
    pan,
    zoom,
    zoomAt,
    panBy,
    glideTo,
    settle,
    bounds,
    settleSoon,
    valuesAt,
    compare,
    tileVersion,
    edits,
    retry: () => poll(undefined, true),
    // Fits what is drawn to a new width at once; false if there is nothing to fit.
    resized: () => {
      if (!drawn || plotWidth() === drawnPx) return false;
      moveTo(visible.start, visible.end);
      return true;
    },
    // A view that is still on its way is not given up for the one that is there.
    // The link stays as it is: to replace it would undo a step back that is under way.
    redraw: () => (coming ? show(coming.next, coming.history) : show(new URLSearchParams(params), "keep")),
    state: () => ({ view, base, region, visible, where, progress, agreement, params, drawn }),
    positionAt: (clientX) => {
      const box = $("viewport").getBoundingClientRect();
      const part = (clientX - box.left) / box.width;
      return visible.start + part * (visible.end - visible.start);
    },
  });

  // The first view is asked for while the scripts of the page are still being read.
  if (window.location.pathname.replace(/\/$/, "").endsWith("/browse")) {
    show(new URLSearchParams(window.location.search), "replace");
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && view && drawn) pollSoon();
  });
})();
