// Draws what each base adds: letters, the heat map of all changes, or the strongest change of each
// base. x is in px from the start of the interval, y in px from the top of the row.
(() => {
  "use strict";
  const ls = window.locuscope;
  const LETTER_PX = 4; // narrower bases are drawn as bars
  const NAMES_PX = 16; // above the letters: room for motif names
  const LABELLED = 12; // of the strongest changes, where they do not cover each other
  const LABELLED_FROM = 0.15; // of the strongest; lower ones lie among their neighbours
  const LABEL_PX = 34;

  // ---- Letters in a box of 1 x 1, as closed polygons; holes run the other way -----------------

  function arc(rx, ry, from, to) {
    const steps = 14;
    return Array.from({ length: steps + 1 }, (_, i) => {
      const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
      return [0.52 + rx * Math.cos(angle), 0.5 - ry * Math.sin(angle)];
    });
  }
  const round = [...arc(0.5, 0.5, 42, 318), ...arc(0.29, 0.34, 318, 42)];
  const GLYPHS = {
    A: [
      [[0, 1], [0.38, 0], [0.62, 0], [1, 1], [0.79, 1], [0.71, 0.77], [0.29, 0.77], [0.21, 1]],
      [[0.35, 0.6], [0.65, 0.6], [0.5, 0.17]],
    ],
    C: [round],
    G: [round, [[0.55, 0.5], [0.55, 0.64], [0.77, 0.64], [0.77, 0.84], [0.97, 0.84], [0.97, 0.5]]],
    T: [[[0, 0], [1, 0], [1, 0.17], [0.61, 0.17], [0.61, 1], [0.39, 1], [0.39, 0.17], [0, 0.17]]],
  };
  const BLOCK = [[[0, 0], [1, 0], [1, 1], [0, 1]]];

  // One path: a letter that fills the box from (x, y) on; `up` false turns it upside down.
  function glyph(letter, x, y, width, height, up) {
    const shapes = width < LETTER_PX ? BLOCK : GLYPHS[letter];
    const margin = width < LETTER_PX ? 0 : 0.04 * width;
    return shapes
      .map((points) => {
        const placed = points.map(([a, b]) => {
          const px = x + margin + a * (width - 2 * margin);
          return `${px.toFixed(2)} ${(y + (up ? b : 1 - b) * height).toFixed(2)}`;
        });
        return `M${placed.join("L")}Z`;
      })
      .join("");
  }

  // Letters as four paths, one a colour. `columns`: {x, letter, y, height, up}.
  function letterPaths(columns, width) {
    const paths = { A: [], C: [], G: [], T: [] };
    for (const { x, letter, y, height, up } of columns) {
      paths[letter].push(glyph(letter, x, y, width, height, up));
    }
    return Object.entries(paths)
      .map(([letter, parts]) => `<path class="base-${letter}" d="${parts.join("")}"/>`)
      .join("");
  }

  // ---- The three ways to draw -----------------------------------------------------------------

  const known = (value) => value !== null && value !== undefined;

  // The highest and the lowest of some numbers, 0 among them.
  function range(values) {
    let high = 0;
    let low = 0;
    for (const value of values) {
      if (!known(value)) continue;
      high = Math.max(high, value);
      low = Math.min(low, value);
    }
    return { high, low, size: high - low || 1 };
  }

  function strongest(effects) {
    let best = null;
    effects.forEach((value, i) => {
      if (known(value) && (!best || Math.abs(value) > Math.abs(best.value))) best = { i, value };
    });
    return best && best.value !== 0 ? { letter: "ACGT"[best.i], value: best.value } : null;
  }

  function columnsOf(found, start) {
    return found.places.flatMap((place, i) => (place === null ? [] : [{ i, at: place - start }]));
  }

  function logo(found, start, px, height) {
    const { high, low, size } = range(found.contributions);
    const room = height - NAMES_PX;
    const zero = NAMES_PX + (high / size) * room;
    const columns = columnsOf(found, start)
      .filter(({ i }) => known(found.contributions[i]))
      .map(({ i, at }) => {
        const value = found.contributions[i];
        const tall = (Math.abs(value) / size) * room;
        return { x: at * px, letter: found.bases[i], y: value > 0 ? zero - tall : zero, height: tall, up: value > 0 };
      });
    return { svg: letterPaths(columns, px), zero, high, low };
  }

  function lollipop(found, start, px, height) {
    const changes = found.effects.map(strongest);
    const { high, low, size } = range(changes.map((one) => one && one.value));
    const room = height - NAMES_PX - 12;
    const zero = NAMES_PX + 6 + (high / size) * room;
    const columns = columnsOf(found, start).filter(({ i }) => changes[i]);
    const y = (i) => zero - (changes[i].value / size) * room;
    const x = (at) => ((at + 0.5) * px).toFixed(1);
    const stems = columns.map(({ i, at }) => `M${x(at)} ${zero.toFixed(1)}V${y(i).toFixed(1)}`);
    const radius = Math.max(1.5, Math.min(4, px / 2.5));
    const heads = columns.map(
      ({ i, at }) =>
        `<circle class="base-${changes[i].letter}" cx="${x(at)}" cy="${y(i).toFixed(1)}" r="${radius}"/>`,
    );
    const labelled = [];
    const strength = ({ i }) => Math.abs(changes[i].value);
    const apart = (a, b) => Math.abs(a.at - b.at) * px > LABEL_PX || Math.abs(y(a.i) - y(b.i)) > 11;
    for (const one of [...columns].sort((a, b) => strength(b) - strength(a)).slice(0, LABELLED)) {
      const tall = strength(one) > LABELLED_FROM * Math.max(high, -low);
      if (tall && labelled.every((other) => apart(one, other))) labelled.push(one);
    }
    const words = labelled.map(({ i, at }) => {
      const side = at * px > 40 ? [-radius - 2, "end"] : [radius + 2, "start"];
      return (
        `<text x="${Number(x(at)) + side[0]}" y="${(y(i) + 3.5).toFixed(1)}" text-anchor="${side[1]}">` +
        `${found.bases[i]}\u203a${changes[i].letter}</text>`
      );
    });
    return {
      svg: `<path class="stems" d="${stems.join("")}"/>${heads.join("")}${words.join("")}`,
      zero,
      high,
      low,
    };
  }

  // One pixel a change, drawn large; its colour is paper for 0.
  function heat(found, start, px, height) {
    const css = getComputedStyle(document.documentElement);
    const rgb = (name) => {
      const hex = css.getPropertyValue(name).trim();
      return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    };
    const [paper, gain, loss, muted] = ["--paper", "--gain", "--loss", "--line"].map(rgb);
    const { high, low } = range(found.effects.flat());
    const top = Math.max(high, -low) || 1;
    const columns = columnsOf(found, start);
    const width = Math.max(1, ...columns.map(({ at }) => at + 1));
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = 4;
    const image = new ImageData(width, 4);
    const dots = [];
    const room = height - NAMES_PX;
    for (const { i, at } of columns) {
      for (let row = 0; row < 4; row += 1) {
        const value = found.effects[i][row];
        const share = known(value) ? Math.abs(value) / top : 0;
        const end = value > 0 ? gain : loss;
        const colour = known(value) ? paper.map((c, k) => c + (end[k] - c) * share) : muted;
        image.data.set([...colour, 255], 4 * (row * width + at));
        if (found.bases[i] === "ACGT"[row] && known(value)) {
          dots.push(`M${((at + 0.5) * px).toFixed(1)} ${(NAMES_PX + ((row + 0.5) * room) / 4).toFixed(1)}h0.01`);
        }
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return {
      svg:
        `<image href="${canvas.toDataURL()}" x="0" y="${NAMES_PX}" width="${width * px}" height="${room}" ` +
        `preserveAspectRatio="none"/><path class="dots" style="stroke-width:${Math.min(5, px / 1.6)}px" d="${dots.join("")}"/>`,
      zero: null,
      high: top,
      low: -top,
    };
  }

  const WAYS = { logo, heat, lollipop };

  // Returns {svg, zero, high, low}: what is drawn, and the scale of its y axis.
  function drawIsm(found, show, start, px, height) {
    const drawn = WAYS[show](found, start, px, height);
    if (drawn.zero !== null) {
      const end = (found.interval.end - start) * px;
      drawn.svg = `<path class="zero" d="M0 ${drawn.zero.toFixed(1)}H${end.toFixed(1)}"/>${drawn.svg}`;
    }
    return drawn;
  }

  // The information content of a matrix of JASPAR as letters, in bits.
  function matrixLogo(frequencies, width, height) {
    const step = width / frequencies.length;
    const columns = frequencies.flatMap((shares, i) => {
      const bits = 2 + shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log2(p) : 0), 0);
      let y = height;
      return shares
        .map((share, k) => ({ letter: "ACGT"[k], tall: (share * bits * height) / 2 }))
        .sort((a, b) => a.tall - b.tall)
        .map(({ letter, tall }) => {
          y -= tall;
          return { x: i * step, letter, y, height: tall, up: true };
        });
    });
    return `<svg class="ism-letters" width="${width}" height="${height}" role="img">${letterPaths(columns, step)}</svg>`;
  }

  Object.assign(ls, { drawIsm, matrixLogo, strongest, NAMES_PX });
})();
