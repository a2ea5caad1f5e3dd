// Contact maps as pixels: colours, scales, and a matrix on a canvas that lies on the genome axis.
// A map is {start, bin, n, values, ...}; `frame` is {start, px, view, width}: where the canvas begins
// on the chromosome, px a bp, what is in view, and the width of the canvas in px; its `depth` is the
// distance in bp at the tip of a triangle.
(() => {
  "use strict";
  const ls = window.locuscope;
  const STEPS = 256;

  // Reading a style makes the browser lay out the page, so each is read once for a theme.
  const styles = new Map();
  function css(name) {
    const root = document.documentElement;
    const key = `${root.dataset.theme} ${name}`;
    if (!styles.has(key)) styles.set(key, getComputedStyle(root).getPropertyValue(name).trim());
    return styles.get(key);
  }
  const colours = (name) => css(`--ramp-${name}`).split(",").map((text) => text.trim());

  function rgb(hex) {
    return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  }

  // 256 colours as little-endian RGBA, linear between the given ones.
  const tables = new Map();
  function table(name) {
    if (!tables.has(name)) {
      const stops = colours(name).map(rgb);
      const found = new Uint32Array(STEPS);
      for (let i = 0; i < STEPS; i += 1) {
        const at = (i / (STEPS - 1)) * (stops.length - 1);
        const left = Math.min(stops.length - 2, Math.floor(at));
        const mix = (k) => Math.round(stops[left][k] + (stops[left + 1][k] - stops[left][k]) * (at - left));
        found[i] = (255 << 24) | (mix(2) << 16) | (mix(1) << 8) | mix(0);
      }
      tables.set(name, found);
    }
    return tables.get(name);
  }

  // Values of pairs in view that have one and are no bin with itself: so many, evenly spread, that
  // percentiles are what they are of all.
  const SAMPLE = 8000;
  function inView(map, view) {
    const first = Math.max(0, Math.floor((view.start - map.start) / map.bin));
    const last = Math.min(map.n, Math.ceil((view.end - map.start) / map.bin));
    const every = Math.max(1, Math.ceil((last - first) ** 2 / 2 / SAMPLE));
    const found = new Float32Array(((last - first) ** 2 / 2 + 1) / every + 1);
    const { values, n } = map;
    let [pair, count] = [0, 0];
    for (let i = first; i < last; i += 1) {
      for (let j = i + 1; j < last; j += 1, pair += 1) {
        if (pair % every) continue;
        const value = values[i * n + j];
        if (Number.isFinite(value)) found[count++] = value;
      }
    }
    return found.subarray(0, count);
  }

  function quantile(sorted, q) {
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : NaN;
  }

  function rounded(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return Math.ceil((value / power) * 2) / 2 * power;
  }

  // The scale that some maps share: contacts on a logarithmic one between the 2nd and the 99.5th
  // percentile, log ratios as far below 0 as above, to the 98th of their absolute value. Differences
  // are small and few, so that theirs reaches to the 99.5th.
  function scaleOf(maps, signed, view, top, difference) {
    const all = maps.map((map) => inView(map, view));
    const joined = new Float32Array(all.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of all) {
      joined.set(one, at);
      at += one.length;
    }
    if (signed) {
      const sizes = joined.map((x) => Math.abs(x)).sort();
      const least = difference ? 0.1 : 0.5;
      const high = top || rounded(Math.max(least, quantile(sizes, difference ? 0.995 : 0.98) || least));
      return { ramp: "ratio", low: -high, high, place: (x) => (x + high) / (2 * high) };
    }
    const known = joined.filter((x) => x > 0).sort();
    const high = top || quantile(known, 0.995) || 1;
    const low = Math.min(high / 10, Math.max(high / 1e4, quantile(known, 0.02) || high / 1e3));
    const span = Math.log(high / low);
    return { ramp: "signal", low, high, place: (x) => Math.log(Math.max(x, low) / low) / span };
  }

  const same = (a, b) => a.ramp === b.ramp && a.low === b.low && a.high === b.high;

  // The matrix as an image of one pixel a pair; made once for a map, a scale and a ground.
  function image(map, scale) {
    const ground = document.documentElement.dataset.theme;
    const held = map.image;
    if (held && held.ground === ground && same(held.scale, scale)) return held.canvas;
    const canvas = document.createElement("canvas");
    canvas.width = map.n;
    canvas.height = map.n;
    const data = new ImageData(map.n, map.n);
    const pixels = new Uint32Array(data.data.buffer);
    const colour = table(scale.ramp);
    const [red, green, blue] = rgb(css("--missing"));
    // What no network predicts lets the hatching show; what was not measured is grey.
    const none = map.part !== "observed" ? 0 : (255 << 24) | (blue << 16) | (green << 8) | red;
    for (let i = 0; i < pixels.length; i += 1) {
      const value = map.values[i];
      if (Number.isNaN(value)) pixels[i] = none;
      else {
        const place = Math.max(0, Math.min(1, scale.place(value)));
        pixels[i] = colour[Math.round(place * (STEPS - 1))];
      }
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
    map.image = { canvas, scale, ground };
    return canvas;
  }

  function hatching(context) {
    const tile = document.createElement("canvas");
    tile.width = 7;
    tile.height = 7;
    const pen = tile.getContext("2d");
    pen.strokeStyle = css("--hatch");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const at of [-7, 0, 7]) {
      pen.moveTo(at, 7);
      pen.lineTo(at + 7, 0);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  }

  // The largest distance of two places of which some map has a value; found once for a map.
  function reach(map) {
    if (map.reach === undefined) {
      let apart = map.n - 1;
      const known = (i) => !Number.isNaN(map.values[i * map.n + i + apart]);
      while (apart > 0 && !Array.from({ length: map.n - apart }, (_, i) => i).some(known)) apart -= 1;
      map.reach = (apart + 1) * map.bin;
    }
    return map.reach;
  }

  // How a pair of places lies on the canvas: x in px of the genome axis, y from the base line of the
  // triangle (up, or down where it hangs), or from the top of the square.
  function layout(frame, shape, band) {
    const x = (place) => (place - frame.start) * frame.px;
    const span = frame.view.end - frame.view.start;
    if (shape === "square") {
      const scale = band.height / span;
      const y = (place) => (place - frame.view.start) * scale + band.top;
      return { point: (a, b) => [x(b), y(a)], unit: [frame.px, 0, 0, scale], x, y };
    }
    const scale = (band.hangs ? 1 : -1) * (band.height / frame.depth);
    const base = band.hangs ? band.top : band.top + band.height;
    return {
      point: (a, b) => [(x(a) + x(b)) / 2, base + (b - a) * scale],
      unit: [frame.px / 2, scale, frame.px / 2, -scale],
      x,
      base,
    };
  }

  function paintMap(pen, map, scale, frame, shape, band) {
    if (!map.n) return;
    const place = layout(frame, shape, band);
    const [x, y] = place.point(map.start, map.start);
    const [a, b, c, d] = place.unit.map((part) => part * map.bin);
    pen.save();
    pen.beginPath();
    if (band.corner) {
      // Of two maps in one square each has the pairs on its own side of the diagonal.
      const far = frame.view.end + (frame.view.end - frame.view.start);
      const near = frame.view.start - (frame.view.end - frame.view.start);
      const third = band.corner === "upper" ? place.point(near, far) : place.point(far, near);
      [place.point(near, near), place.point(far, far), third].forEach((p) => pen.lineTo(...p));
    } else pen.rect(0, band.clip ? band.clip[0] : band.top, frame.width, band.clip ? band.clip[1] : band.height);
    pen.clip();
    if (map.part !== "observed") {
      pen.fillStyle = hatching(pen);
      pen.beginPath();
      const end = map.start + map.n * map.bin;
      [[map.start, map.start], [map.start, end], [end, end], [end, map.start]].forEach(([p, q]) =>
        pen.lineTo(...place.point(p, q)),
      );
      pen.fill();
    }
    pen.imageSmoothingEnabled = false;
    pen.transform(a, b, c, d, x, y);
    pen.drawImage(image(map, scale), 0, 0);
    pen.restore();
  }

  // ---- Marks ----------------------------------------------------------------------------------

  function stroke(pen, width) {
    pen.lineJoin = "round";
    pen.lineWidth = width + 2;
    pen.strokeStyle = "rgba(255, 255, 255, 0.75)";
    pen.stroke();
    pen.lineWidth = width;
    pen.strokeStyle = "#1B2430";
    pen.stroke();
  }

  function paintMarks(pen, map, marks, frame, shape, band) {
    const place = layout(frame, shape, band);
    const flip = band.corner === "lower";
    const point = (p, q) => (flip ? place.point(q, p) : place.point(p, q));
    pen.save();
    pen.beginPath();
    pen.rect(0, band.clip ? band.clip[0] : band.top, frame.width, band.clip ? band.clip[1] : band.height);
    pen.clip();
    for (const [start, end] of marks.domains) {
      pen.beginPath();
      [[start, start], [start, end], [end, end]].forEach(([p, q]) => pen.lineTo(...point(p, q)));
      stroke(pen, 1.25);
    }
    for (const [start1, end1, start2, end2] of marks.loops) {
      const [x, y] = point((start1 + end1) / 2, (start2 + end2) / 2);
      pen.beginPath();
      pen.arc(x, y, 4.5, 0, 2 * Math.PI);
      stroke(pen, 1.5);
    }
    for (const [start, end, strength] of map.boundaries) {
      const at = (start + end) / 2;
      const [x, y] = point(at, at);
      const size = 3 + 3 * Math.min(1, strength);
      const turn = band.hangs ? -1 : 1;
      pen.beginPath();
      if (shape === "square") {
        [[x, y], [x - size, y + size], [x + size, y + size]].forEach((p) => pen.lineTo(...p));
      } else {
        [[x, y - turn * 2 * size], [x - size, y], [x + size, y]].forEach((p) => pen.lineTo(...p));
      }
      pen.closePath();
      stroke(pen, 1);
      pen.fillStyle = "#D55E00";
      pen.fill();
    }
    pen.restore();
  }

  // ---- One anchor -----------------------------------------------------------------------------

  // Values of all bins with that of an anchor; null where the map does not reach it.
  function ofAnchor(map, anchor) {
    const row = Math.floor((anchor - map.start) / map.bin);
    if (row < 0 || row >= map.n) return null;
    return map.values.subarray(row * map.n, (row + 1) * map.n);
  }

  // Highest value of the bins in view that are no neighbours of the anchor.
  function topOfAnchor(map, anchor, view) {
    const values = ofAnchor(map, anchor);
    let top = 0;
    if (!values) return top;
    const row = Math.floor((anchor - map.start) / map.bin);
    values.forEach((value, i) => {
      const left = map.start + i * map.bin;
      if (left + map.bin <= view.start || left >= view.end || Math.abs(i - row) < 2) return;
      if (Number.isFinite(value)) top = Math.max(top, Math.abs(value));
    });
    return top;
  }

  // `style` is {fill, line}; `top` the value at the upper edge. Ratios have 0 in the middle.
  function paintAnchor(pen, map, anchor, frame, band, top, signed, style) {
    const values = ofAnchor(map, anchor);
    if (!values || !top) return;
    const base = signed ? band.top + band.height / 2 : band.top + band.height;
    const px = (signed ? band.height / 2 : band.height) / top;
    const x = (place) => (place - frame.start) * frame.px;
    pen.save();
    pen.beginPath();
    pen.rect(0, band.top, frame.width, band.height);
    pen.clip();
    pen.beginPath();
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const left = x(map.start + i * map.bin);
      pen.rect(left, base, x(map.start + (i + 1) * map.bin) - left + 0.3, -value * px);
    });
    pen.fillStyle = style.fill;
    pen.fill();
    pen.beginPath();
    let open = false;
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) {
        open = false;
        return;
      }
      const left = x(map.start + i * map.bin);
      const y = base - Math.max(-band.height, Math.min(band.height, value * px));
      if (open) pen.lineTo(left, y);
      else pen.moveTo(left, y);
      pen.lineTo(x(map.start + (i + 1) * map.bin), y);
      open = true;
    });
    pen.strokeStyle = style.line;
    pen.lineWidth = 1;
    pen.stroke();
    pen.restore();
  }

  Object.assign(ls, {
    mapDraw: { css, scaleOf, reach, layout, paintMap, paintMarks, ofAnchor, topOfAnchor, paintAnchor },
  });
})();
