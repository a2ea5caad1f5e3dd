// From tiles to the polygons of the one figure. y is in px from the top of the figure.
(() => {
  "use strict";
  const ls = window.locuscope;
  const PLANE = { mean: 0, min: 1, max: 2 };

  const SYMLOG_PART = 100; // symlog is nearly linear up to this part of the top

  // From a value to its height, up to a factor, where `top` is the highest.
  const transforms = {
    linear: (value) => value,
    log: (value) => Math.sign(value) * Math.log1p(Math.abs(value)),
    symlog: (value, top) => Math.sign(value) * Math.log10(1 + (SYMLOG_PART * Math.abs(value)) / top),
  };

  // Names the scale that a row shares with others; null where predicted and observed have one each.
  function sharedScale(row, autoscale) {
    if (autoscale === "each") return null;
    return `${autoscale === "modality" ? row.modality : row.host || row.id}|${row.unit}`;
  }

  // Calls visit(binStart, value) for every bin of [start, end), left to right: the value of a
  // series, which may be the difference of two tracks and of that the gain or the loss alone.
  function eachBin(where, series, start, end, visit) {
    const { scene, chromosome, bin } = where;
    const plane = PLANE[series.summary];
    const first = Math.floor(Math.max(0, start) / bin);
    const last = Math.ceil(end / bin);
    const planeOf = (track, index) => {
      const tile = track && ls.tileAt(scene, track, chromosome, bin, index);
      return tile ? tile.planes[plane] || tile.planes[0] : null;
    };
    let values = null;
    let minus = null;
    let index = -1;
    for (let at = first; at < last; at += 1) {
      const tileIndex = Math.floor(at / ls.TILE);
      if (tileIndex !== index) {
        index = tileIndex;
        values = planeOf(series.track, index);
        minus = planeOf(series.minus, index);
      }
      let value = values ? values[at - index * ls.TILE] : NaN;
      if (series.minus) value -= minus ? minus[at - index * ls.TILE] : NaN;
      if ((series.only === "gain" && value < 0) || (series.only === "loss" && value > 0)) value = 0;
      visit(at * bin, value);
    }
  }

  // Highest drawn value of several series over the visible region; 0 where there is none.
  function highest(where, series, start, end) {
    let top = 0;
    const edges = series.flatMap((one) => (one.floor ? [one, { ...one, track: one.floor }] : [one]));
    for (const one of edges) {
      eachBin(where, one, start, end, (_, value) => {
        if (Math.abs(value) > top) top = Math.abs(value);
      });
    }
    return top;
  }

  // One closed polygon a run of bins that have values, for a trace with line.shape "hv":
  // from the base line up, a step a bin, and back to the base line at the end of the last bin.
  function polygon(where, series, start, end, top, scale, x, y) {
    const transform = transforms[scale];
    const px = top > 0 ? series.height / transform(top, top) : 0;
    const { base, sign } = series;
    let open = false;
    let edge = 0;
    eachBin(where, series, start, end, (binStart, value) => {
      if (Number.isNaN(value)) {
        if (open) {
          x.push(edge, null);
          y.push(base, null);
          open = false;
        }
        return;
      }
      if (!open) {
        x.push(binStart);
        y.push(base);
        open = true;
      }
      const reach = Math.max(-series.height, Math.min(series.height, transform(value, top) * px));
      x.push(binStart);
      y.push(base - sign * reach);
      edge = binStart + where.bin;
    });
    if (open) {
      x.push(edge, null);
      y.push(base, null);
    }
  }

  // The band between two tracks, a closed polygon for each run of bins in which both have values.
  function ribbon(where, series, start, end, top, scale, x, y) {
    const transform = transforms[scale];
    const px = top > 0 ? series.height / transform(top, top) : 0;
    const { base, sign } = series;
    const at = (value) =>
      base - sign * Math.max(-series.height, Math.min(series.height, transform(value, top) * px));
    let run = [];
    const close = () => {
      if (!run.length) return;
      const last = run[run.length - 1].left + where.bin;
      run.forEach(({ left, high }) => {
        x.push(left);
        y.push(at(high));
      });
      // Back along the lower edge: a step "hv" runs at the height of the corner that it leaves.
      x.push(last, last);
      y.push(at(run[run.length - 1].high), at(run[run.length - 1].low));
      for (let i = run.length - 1; i > 0; i -= 1) {
        x.push(run[i].left);
        y.push(at(run[i - 1].low));
      }
      x.push(run[0].left, run[0].left, null);
      y.push(at(run[0].low), at(run[0].high), null);
      run = [];
    };
    const lows = [];
    eachBin(where, { ...series, track: series.floor }, start, end, (_, value) => lows.push(value));
    let i = 0;
    eachBin(where, series, start, end, (left, high) => {
      const low = lows[i];
      i += 1;
      if (Number.isNaN(high) || Number.isNaN(low)) close();
      else run.push({ left, high, low });
    });
    close();
  }

  // The same polygon of a few bins by themselves, as an SVG path of `width` px for `found.length` bp.
  function stepPath(bins, found, series, { tops, scale }, width) {
    const top = tops[0];
    const transform = transforms[scale];
    const px = top > 0 ? series.height / transform(top, top) : 0;
    const { base, sign } = series;
    const x = (at) => Math.max(0, Math.min(width, ((at - found.start) * width) / found.length));
    const parts = [`M0 ${base}`];
    bins.values.forEach((value, i) => {
      const left = bins.start + i * bins.resolution;
      const reach = Math.max(-series.height, Math.min(series.height, transform(value || 0, top) * px));
      parts.push(`H${x(left)}V${base - sign * reach}H${x(left + bins.resolution)}`);
    });
    return `${parts.join("")}V${base}Z`;
  }

  // Fills the signal traces of a figure. By row, `settings` has the kind of its scale, what it shares
  // it with (`sharedScale`), and its top where that is fixed. Returns by row the tops of its scales,
  // predicted first; and that of the difference of the alleles, which is as far below 0 as above.
  function fill(data, where, region, visible, settings) {
    const scales = new Map();
    for (const trace of data) {
      if (!trace.meta) continue;
      const { row, group } = trace.meta;
      const { shared, max } = settings[row];
      let name = shared || `${row}|${group}`;
      if (max) name = `${row}|fixed`;
      if (group === "difference") name = `${row}|difference`;
      scales.set(name, [...(scales.get(name) || []), trace]);
    }
    const tops = new Map(
      Object.entries(settings).map(([row, { scale }]) => [row, { tops: [], difference: null, scale }]),
    );
    const found = new Map();
    for (const [name, traces] of scales) {
      const { max } = settings[traces[0].meta.row];
      const fixed = max && name.endsWith("|fixed") ? max : 0;
      const series = traces.flatMap((trace) => trace.meta.series);
      found.set(name, fixed || highest(where, series, visible.start, visible.end));
    }
    const told = new Set();
    const order = ["predicted", "observed", "difference"];
    const each = [...scales].flatMap(([name, traces]) => traces.map((trace) => ({ name, trace })));
    each.sort((a, b) => order.indexOf(a.trace.meta.group) - order.indexOf(b.trace.meta.group));
    for (const { name, trace } of each) {
      const { row, group, series } = trace.meta;
      const top = found.get(name);
      trace.x = [];
      trace.y = [];
      for (const one of series) {
        const draw = one.floor ? ribbon : polygon;
        draw(where, one, region.start, region.end, top, settings[row].scale, trace.x, trace.y);
      }
      if (told.has(`${row}|${name}`)) continue;
      told.add(`${row}|${name}`);
      if (group === "difference") tops.get(row).difference = top;
      else tops.get(row).tops.push(top);
    }
    for (const row of tops.keys()) {
      if (!each.some(({ trace }) => trace.meta.row === row)) tops.delete(row);
    }
    return tops;
  }

  // Round steps of 1, 2 or 5 times a power of ten, at least `px` apart.
  function tickStep(bpPerPx, px) {
    const least = bpPerPx * px;
    const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    return Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((step) => step >= least));
  }

  function tickText(position1, step) {
    if (step >= 1e6) return `${ls.number.format(position1 / 1e6)} Mb`;
    if (position1 >= 1e6 && step >= 1e3) {
      return `${(position1 / 1e6).toFixed(Math.max(0, 6 - Math.floor(Math.log10(step))))} Mb`;
    }
    if (step >= 1e3) return `${ls.number.format(position1 / 1e3)} kb`;
    return ls.number.format(position1);
  }

  const DIGIT_PX = 6.5;

  // The ruler of a region as SVG text. Tick k stands in the middle of base k (1-based). What would be
  // cut off at an edge of the view has no text: half a number is a wrong one.
  function ruler(region, view, bpPerPx, height, chromosomeLength) {
    const step = tickStep(bpPerPx, 110);
    const minor = step / (step % 5 === 0 || step === 1 ? 5 : 4);
    const parts = [];
    const end = Math.min(region.end, chromosomeLength || Infinity);
    const x = (position1) => (position1 - 0.5 - region.start) / bpPerPx;
    const from = Math.max(step, Math.ceil(region.start / step) * step);
    if (minor >= 1) {
      for (let p = Math.max(minor, Math.ceil(region.start / minor) * minor); p <= end; p += minor) {
        parts.push(`<path d="M${x(p).toFixed(1)} ${height - 4}v4"/>`);
      }
    }
    for (let p = from; p <= end; p += step) {
      const at = x(p).toFixed(1);
      parts.push(`<path d="M${at} ${height - 8}v8"/>`);
      const text = tickText(p, step);
      const reach = (text.length * DIGIT_PX * bpPerPx) / 2;
      const cut = [view.start, view.end].some((edge) => Math.abs(p - 0.5 - edge) < reach);
      if (!cut) parts.push(`<text x="${at}" y="${height - 11}">${text}</text>`);
    }
    return parts.join("");
  }

  Object.assign(ls, { fill, sharedScale, stepPath, ruler, PLANE });
})();
