// What a contact map shows under the pointer, the anchor of a virtual 4C, and the keys of both.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const CLICK_MS = 260; // a second click within it zooms

  let clickTimer = 0;

  // ---- Under the pointer ----------------------------------------------------------------------

  function rowAt(event) {
    const box = $("viewport").getBoundingClientRect();
    const y = event.clientY - box.top;
    for (const one of ls.maps.rows().values()) {
      const inRow = y - one.place.top;
      if (inRow >= 0 && inRow < one.place.height) return { one, y: inRow, x: event.clientX - box.left };
    }
    return null;
  }

  // The pair of places under the pointer and the map that shows it.
  function pairAt({ one, y }, position) {
    const { visible } = ls.state();
    const { row, bands: places, maps } = one;
    const span = visible.end - visible.start;
    for (let i = 0; i < maps.length; i += 1) {
      const band = places[i];
      if (y < band.top || y >= band.top + band.height) continue;
      if (row.style.shape === "square") {
        const other = visible.start + ((y - band.top) / band.height) * span;
        const upper = position >= other;
        if (band.corner && upper !== (band.corner === "upper")) continue;
        return { map: maps[i], a: Math.min(position, other), b: Math.max(position, other), band };
      }
      const up = band.hangs ? y - band.top : band.top + band.height - y;
      const apart = (up / band.height) * one.depth;
      return { map: maps[i], a: position - apart / 2, b: position + apart / 2, band };
    }
    return null;
  }

  function valueOf(map, a, b) {
    const i = Math.floor((a - map.start) / map.bin);
    const j = Math.floor((b - map.start) / map.bin);
    if (i < 0 || j < 0 || i >= map.n || j >= map.n) return null;
    return { i, j, value: map.values[i * map.n + j] };
  }

  const UNKNOWN = { observed: "not measured", difference: "no value" };

  function inWords(map, found) {
    if (!found) return "beyond what is drawn";
    const { value } = found;
    if (value === -Infinity) return "no contact counted";
    if (value === Infinity) return "no contact counted in the observed map";
    if (Number.isNaN(value)) return UNKNOWN[map.part] || "not predicted";
    return `${ls.valueText(value)} ${map.unit}`;
  }

  // Says what a map shows under the pointer, beside it too; empty where there is no map.
  function pointAtMap(event) {
    const at = rowAt(event);
    if (!at) {
      leaveMap();
      return "";
    }
    const position = ls.positionAt(event.clientX);
    const pair = pairAt(at, position);
    if (!pair) {
      leaveMap();
      return stripWords(at.one, position);
    }
    const { base } = ls.state();
    const found = valueOf(pair.map, pair.a, pair.b);
    const bin = (place) => {
      const { start, bin: width } = pair.map;
      const left = start + Math.floor((place - start) / width) * width;
      return ls.intervalText(base.chromosome, Math.max(0, left), left + width);
    };
    const distance = found ? Math.abs(found.j - found.i) * pair.map.bin : pair.b - pair.a;
    const lines = [
      `${bin(pair.a)}`,
      `${bin(pair.b)}`,
      `${ls.widthText(Math.round(distance))} apart`,
      `${ls.maps.names[pair.map.part]}: ${inWords(pair.map, found)}`,
    ];
    for (const other of at.one.all) {
      if (other === pair.map || !other.n) continue;
      lines.push(`${ls.maps.names[other.part]}: ${inWords(other, valueOf(other, pair.a, pair.b))}`);
    }
    showTip(event, lines);
    showGuide(at, pair);
    return lines.join("   ");
  }

  function stripWords(one, position) {
    const { view, base } = ls.state();
    if (!one.row.strip || view.anchor === null) return "";
    const values = one.maps.map(
      (map) => `${ls.maps.names[map.part]}: ${inWords(map, valueOf(map, view.anchor, position))}`,
    );
    const from = ls.positionText(base.chromosome, view.anchor);
    return [`${from} with ${ls.positionText(base.chromosome, Math.floor(position))}`, ...values].join("   ");
  }

  // What the maps tell of the anchor and another place.
  const contactsAt = (position) =>
    [...ls.maps.rows().values()].map((one) => stripWords(one, position)).filter(Boolean).join("   ");

  function showTip(event, lines) {
    let tip = $("map-tip");
    if (!tip) {
      tip = make("div");
      tip.id = "map-tip";
      document.body.append(tip);
    }
    tip.hidden = false;
    tip.replaceChildren(...lines.map((line) => make("div", "", line)));
    const left = event.clientX + 14 + tip.offsetWidth > window.innerWidth ? event.clientX - tip.offsetWidth - 10 : event.clientX + 14;
    const top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 30);
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }

  // Lines from a pair to its two places on the axis.
  function showGuide({ one, x, y }, { a, b, band }) {
    let guide = $("map-guide");
    if (!guide) {
      guide = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      guide.id = "map-guide";
      $("viewport").append(guide);
    }
    const { visible } = ls.state();
    const px = $("viewport").clientWidth / (visible.end - visible.start);
    const at = (place) => (place - visible.start) * px;
    const { place, row } = one;
    guide.style.top = `${place.top}px`;
    guide.setAttribute("height", place.height - row.strip);
    guide.removeAttribute("hidden");
    const path =
      row.style.shape === "square"
        ? `M0 ${y}H${at(visible.end)}M${x} 0V${place.height}`
        : `M${at(a)} ${band.hangs ? band.top : band.top + band.height}L${x} ${y}L${at(b)} ${band.hangs ? band.top : band.top + band.height}`;
    guide.innerHTML = `<path class="halo" d="${path}"/><path d="${path}"/>`;
  }

  function leaveMap() {
    const tip = $("map-tip");
    if (tip) tip.hidden = true;
    const guide = $("map-guide");
    if (guide) guide.setAttribute("hidden", "");
  }

  // ---- Anchors, and showing at all ------------------------------------------------------------

  function putAnchor(position) {
    const { view } = ls.state();
    const tooClose = (4 * (view.locus.end - view.locus.start)) / $("viewport").clientWidth;
    const again = view.anchor !== null && Math.abs(position - view.anchor) <= tooClose;
    ls.go({ anchor: again ? null : ls.locusText(view.locus.chrom, position, position + 1) });
  }

  // Returns whether a click was on a map, which makes the base below it the anchor.
  function clickMap(event) {
    if (!rowAt(event)) return false;
    const position = Math.floor(ls.positionAt(event.clientX));
    clearTimeout(clickTimer);
    clickTimer = setTimeout(() => putAnchor(position), CLICK_MS);
    return true;
  }

  function toggleAnchor() {
    const { view } = ls.state();
    if (!ls.maps.ofView(view).length) ls.toast("Show a contact map first (c)");
    else if (view.anchor !== null) ls.go({ anchor: null });
    else putAnchor(ls.crosshairAt());
  }

  function toggleMaps() {
    const { view } = ls.state();
    const shown = ls.maps.ofView(view).map((row) => row.id);
    if (shown.length) {
      if (shown.length === view.rows.length) ls.toast("A view keeps at least one track");
      else ls.go({ hide: [...view.hidden, ...shown] });
      return;
    }
    const group = ls.trackGroups().find((one) => one.modality === "CONTACT_MAPS");
    if (!group) {
      ls.toast("Neither this model nor this genome has a contact map");
      return;
    }
    const ids = new Set(group.rows.map((row) => row.id));
    if (view.hidden.some((id) => ids.has(id))) {
      ls.go({ hide: view.hidden.filter((id) => !ids.has(id)) });
      return;
    }
    const mine = group.rows.find((row) => view.chosen_biosamples.includes(row.biosample));
    const row = mine || group.rows[0];
    ls.go({ track: [row.id, ...view.rows.map((one) => one.id)] });
  }

  Object.assign(ls, {
    pointAtMap,
    leaveMap,
    clickMap,
    contactsAt,
    forgetClick: () => clearTimeout(clickTimer),
    toggleAnchor,
    toggleMaps,
  });
})();
