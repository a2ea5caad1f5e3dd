// Contact maps in their rows: asks for them, and keeps them on the genome axis while it is moved.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const draw = ls.mapDraw;
  const MAX_HELD = 24;

  const held = new Map(); // by address without version: {header, maps}
  let rows = new Map(); // by row id: {row, key, canvas, band..., scales}: what is drawn
  let frame = null;

  const DIFFERENCES = new Set(["change", "difference"]);
  const contactRows = (view) => view.rows.filter((row) => row.kind === "contacts");

  // ---- Asking ---------------------------------------------------------------------------------

  function address(view, row) {
    const query = new URLSearchParams({
      genome: view.genome.id,
      row: row.id,
      chrom: view.locus.chrom,
      start: view.locus.start,
      end: view.locus.end,
      part: row.part,
      value: row.value,
    });
    if (view.model) query.set("model", view.model.id);
    if (view.edited && row.part !== "observed") {
      ls.edits().forEach(([key, text]) => query.append(key, text));
    }
    return query.toString();
  }

  function parse(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let offset = Math.ceil((4 + length) / 4) * 4;
    const maps = header.maps.map((map) => {
      const values = new Float32Array(buffer, offset, map.n * map.n);
      offset += 4 * map.n * map.n;
      return { ...map, values };
    });
    return { header, maps };
  }

  const asked = ls.inOrder();

  async function fetchRow(view, row, signal) {
    const key = address(view, row);
    if (held.has(key) && !held.get(key).header.partial) return;
    const isNews = asked(row.id);
    const version = row.part === "observed" ? view.data.v : ls.tileVersion();
    const found = { error: null };
    try {
      const response = await ls.request(
        `/api/v1/contacts?${key}${version ? `&v=${version}` : ""}`,
        { signal },
      );
      Object.assign(found, parse(await response.arrayBuffer()));
      window.performance.mark("locuscope:map-data");
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ls.ServerError)) throw error;
      Object.assign(found, { header: { partial: true, loops: [], domains: [] }, maps: [], error: error.message });
      ls.afterAWhile(error, signal, () => ls.state().view === view && fetchRow(view, row, signal));
    }
    if (!isNews()) return;
    held.delete(key);
    held.set(key, found);
    while (held.size > MAX_HELD) held.delete(held.keys().next().value);
    if (rows.has(row.id) && ls.state().view === view) paintRow(row.id, key);
  }

  ls.on("loading", (signal) => {
    const { view } = ls.state();
    contactRows(view).forEach((row) => fetchRow(view, row, signal));
  });

  // ---- Placing --------------------------------------------------------------------------------

  function layer() {
    let node = $("maps");
    if (!node) {
      node = make("div");
      node.id = "maps";
      $("world").prepend(node);
      const labels = make("div");
      labels.id = "map-labels";
      $("viewport").append(labels);
    }
    return node;
  }

  ls.on("drawn", ({ geometry, view }) => {
    const { base, region } = ls.state();
    const width = $("viewport").clientWidth;
    const px = width / (base.end - base.start);
    frame = { start: region.start, px, view: base, width: 3 * width };
    const before = rows;
    rows = new Map();
    const boxes = [];
    const labels = [];
    contactRows(view).forEach((row) => {
      const place = geometry.rows.find((one) => one.id === row.id);
      const old = before.get(row.id);
      const box = make("div", "map");
      box.dataset.row = row.id;
      box.style.top = `${place.top}px`;
      box.style.height = `${place.height}px`;
      const canvas = make("canvas");
      box.append(canvas);
      boxes.push(box);
      const label = make("div", "map-label");
      label.style.top = `${place.top}px`;
      label.style.height = `${place.height}px`;
      labels.push(label);
      rows.set(row.id, { row, place, box, canvas, label, key: old && old.key, scales: [] });
    });
    layer().replaceChildren(...boxes);
    $("map-labels").replaceChildren(...labels);
    // Until the map of this view is here, that of the view before stands where it belongs.
    for (const [id, one] of rows) {
      const key = address(view, one.row);
      paintRow(id, held.has(key) ? key : one.key);
    }
    moveSquares();
  });

  // Which maps are drawn. Of two alleles all maps are here, so that flipping them asks for nothing.
  function chosen(found) {
    const { maps } = found;
    if (!maps.some((map) => map.part === "reference")) return maps;
    const { compare } = ls.state().view;
    const shown = {
      split: ["reference", "alternate"],
      difference: ["change"],
      reference: ["reference", "observed"],
    };
    const parts = shown[compare] || ["alternate", "observed"];
    return parts.map((part) => maps.find((map) => map.part === part)).filter(Boolean);
  }

  // Where each map of a row is drawn.
  function bands(one, maps) {
    const { row, place } = one;
    const height = place.height - row.strip - 2;
    const { shape } = row.style;
    if (maps.length < 2) return maps.map(() => ({ top: 1, height }));
    if (shape === "square") {
      return [
        { top: 1, height, corner: "upper" },
        { top: 1, height, corner: "lower" },
      ];
    }
    const half = height / 2 - 0.5;
    return [
      { top: 1, height: half },
      { top: 2 + half, height: half, hangs: true },
    ];
  }

  function paintRow(id, key) {
    const one = rows.get(id);
    const { row, place, canvas } = one;
    one.key = key;
    const found = key && held.get(key);
    one.all = found ? found.maps : [];
    one.maps = found ? chosen(found) : [];
    one.bands = bands(one, one.maps);
    const square = row.style.shape === "square";
    const dense = Math.min(2, window.devicePixelRatio || 1) * (square && place.height > 500 ? 0.75 : 1);
    const tall = place.height;
    // A square reaches beyond its row, above and below, as the axis does to either side.
    const reach = square ? tall - row.strip : 0;
    canvas.width = Math.round(frame.width * dense);
    canvas.height = Math.round((tall + 2 * reach) * dense);
    canvas.style.width = `${frame.width}px`;
    canvas.style.height = `${tall + 2 * reach}px`;
    canvas.style.top = `${-reach}px`;
    one.reach = reach;
    one.box.style.height = `${tall}px`;
    if (found) paint(one, found, dense);
    say(one, found);
    sayBusy(one);
    ls.mapTools(one, found);
  }

  function paint(one, found, dense) {
    const { row, place, canvas, maps, reach } = one;
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    pen.translate(0, reach);
    const { view } = ls.state();
    const { shape, marks, ymax } = row.style;
    const { value } = found.header;
    const grouped = view.autoscale !== "each" || value === "ratio";
    const scales = new Map();
    one.scales = maps.map((map) => {
      const difference = DIFFERENCES.has(map.part);
      const signed = value === "ratio" || difference;
      // Flipping two alleles changes no colour: all maps with that unit share the scale.
      const alike = grouped ? one.all.filter((other) => other.unit === map.unit) : [map];
      const name = grouped ? map.unit : map.part;
      if (!scales.has(name)) scales.set(name, draw.scaleOf(alike, signed, frame.view, ymax, difference));
      return scales.get(name);
    });
    // A triangle is no higher than what is known, which of a wide view is a part of it.
    const span = frame.view.end - frame.view.start;
    const known = one.all.filter((map) => draw.reach(map) > map.bin).map(draw.reach);
    one.depth = known.length ? Math.min(span, 1.02 * Math.max(...known)) : span;
    const placed = { ...frame, depth: one.depth };
    const lists = (name) => found.header[name].flatMap((set) => set.marks);
    const loops = lists("loops");
    const domains = lists("domains").map(([start, , , end]) => [start, end]);
    maps.forEach((map, i) => {
      const band = { ...one.bands[i] };
      if (reach) band.clip = [-reach, place.height - row.strip + 2 * reach];
      draw.paintMap(pen, map, one.scales[i], placed, shape, band);
      if (marks === "on") draw.paintMarks(pen, map, { loops, domains }, placed, shape, band);
    });
    if (one.bands.some((band) => band.corner)) paintDiagonal(pen, placed, one.bands[0]);
    paintStrip(one, pen, value === "ratio" || maps.some((map) => DIFFERENCES.has(map.part)));
    window.performance.mark("locuscope:map-drawn");
  }

  // The border of two maps in one square.
  function paintDiagonal(pen, placed, band) {
    const { point } = draw.layout(placed, "square", band);
    const { start, end } = placed.view;
    pen.beginPath();
    pen.lineWidth = 1;
    pen.strokeStyle = draw.css("--muted");
    [2 * start - end, 2 * end - start].forEach((at) => pen.lineTo(...point(at, at)));
    pen.stroke();
  }

  function paintStrip(one, pen, signed) {
    const { row, place, maps } = one;
    const { anchor } = ls.state().view;
    one.tops = [];
    if (!row.strip || anchor === null) return;
    const band = { top: place.height - row.strip + 6, height: row.strip - 8 };
    pen.clearRect(0, band.top - 6 + (one.reach ? 0 : 2), frame.width, row.strip + one.reach);
    const colour = draw.css(`--modality-${row.modality.toLowerCase()}`);
    const ink = draw.css("--muted");
    const alike = signed || new Set(maps.map((map) => map.unit)).size < 2;
    const own = maps.map((map) => draw.topOfAnchor(map, anchor, frame.view));
    one.tops = alike ? own.map(() => Math.max(0, ...own)) : own;
    maps.forEach((map, i) => {
      const first = i === 0 && map.part !== "observed";
      const style = first ? { fill: `${colour}80`, line: colour } : { fill: `${ink}2e`, line: ink };
      draw.paintAnchor(pen, map, anchor, frame, band, one.tops[i], signed, style);
    });
    pen.fillStyle = draw.css("--line");
    pen.fillRect(0, signed ? band.top + band.height / 2 : band.top + band.height, frame.width, 1);
    const x = (anchor + 0.5 - frame.start) * frame.px;
    pen.strokeStyle = draw.css("--accent");
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, place.height);
    pen.stroke();
    pen.setLineDash([]);
  }

  // Along the axis the world moves a square; down the page it must be moved here.
  function moveSquares() {
    const { base, visible } = ls.state();
    if (!frame || !base) return;
    const wide = base.end - base.start;
    const now = visible.end - visible.start;
    for (const { row, canvas, place, reach } of rows.values()) {
      if (!reach) continue;
      const height = place.height - row.strip;
      const by = ((base.start - visible.start) / now) * height;
      const scale = wide / now;
      canvas.style.transformOrigin = `0 ${reach}px`;
      canvas.style.transform = `translateY(${by}px) scaleY(${scale})`;
    }
  }
  ls.on("moved", moveSquares);

  // Shimmers where something is still on its way: the whole row, or what is predicted of it.
  function sayBusy(one) {
    const { view, base, progress } = ls.state();
    const found = held.get(address(view, one.row));
    const coming = progress && !progress.complete && !progress.failed;
    const awaited = (map) => map.missing.some(([start, end]) => start < base.end && end > base.start);
    const band = !found ? { top: 0, height: one.place.height } : one.bands[0];
    const busy = found ? coming && !found.error && found.maps.some(awaited) : true;
    one.box.classList.toggle("busy", Boolean(busy));
    one.box.setAttribute("aria-busy", String(Boolean(busy)));
    if (!busy) return;
    one.box.style.setProperty("--busy-top", `${band.top}px`);
    one.box.style.setProperty("--busy-height", `${band.height}px`);
  }
  ls.on("states", () => rows.forEach(sayBusy));

  // ---- Words ----------------------------------------------------------------------------------

  const NAMES = {
    predicted: "predicted",
    observed: "observed",
    difference: "predicted \u2212 observed",
    reference: "predicted, reference",
    alternate: "predicted, alternate",
    change: "alternate \u2212 reference",
  };

  function say(one, found) {
    const { row, label, place } = one;
    label.replaceChildren();
    if (found && found.error) {
      label.append(make("span", "pill failed map-error", found.error));
      return;
    }
    one.maps.forEach((map, i) => {
      const band = one.bands[i];
      const name = make("span", "map-name", NAMES[map.part]);
      if (band.corner === "lower" || band.hangs) name.style.top = `${band.top + band.height - 16}px`;
      else name.style.top = `${band.top + 1}px`;
      if (band.corner === "upper") name.classList.add("right");
      label.append(name);
      const alone = map.n && map.part !== "observed" && !map.seen.length && !map.missing.length;
      const words = map.error || (alone && "No prediction: the model needs sequence beyond this piece");
      if (!words) return;
      const why = make("span", "pill map-error", words);
      why.style.top = `${band.top + band.height / 2 - 9}px`;
      label.append(why);
    });
    const { view } = ls.state();
    if (row.strip && view.anchor !== null) {
      const where = ls.positionText(view.locus.chrom, view.anchor);
      const reached = one.maps.some((map) => draw.ofAnchor(map, view.anchor));
      const text = reached ? `contacts of ${where}` : `${where} is too far from here to be seen`;
      const strip = make("span", "map-name strip", text);
      strip.style.top = `${place.height - row.strip + 5}px`;
      label.append(strip);
    }
  }

  Object.assign(ls, {
    maps: { rows: () => rows, names: NAMES, frame: () => frame, ofView: contactRows },
  });
})();
