// A picture of a page as one SVG: what the browser has laid out, element by element. Boxes, text,
// SVG, canvases and images become shapes, so whatever is drawn in a row comes along.
(() => {
  "use strict";
  const ls = window.locuscope;
  const SVG = "http://www.w3.org/2000/svg";
  const PAPER_MM = 180;
  const CAPTION_PX = 10.67; // 8 pt
  // What of an SVG is taken over, and which of its styles: a picture has no style sheet.
  const SHAPES = new Set(
    "g path rect line circle ellipse polygon polyline text tspan image defs clipPath pattern svg".split(" "),
  );
  const PAINT = ["fill", "stroke"];
  const STYLES = {
    "fill-opacity": "1",
    "fill-rule": "nonzero",
    "stroke-opacity": "1",
    "stroke-width": "1px",
    "stroke-dasharray": "none",
    "stroke-linecap": "butt",
    "stroke-linejoin": "miter",
    opacity: "1",
    "clip-path": "none",
  };
  const TEXT_STYLES = {
    "font-family": "",
    "font-size": "",
    "font-weight": "400",
    "text-anchor": "start",
    "dominant-baseline": "auto",
  };

  const element = (name, attributes = {}, ...children) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null) node.setAttribute(key, typeof value === "number" ? round(value) : value);
    }
    node.append(...children);
    return node;
  };
  const round = (value) => String(Number(value.toFixed(2)));

  // Any colour that the browser computes, as the #rrggbb and opacity that every program reads.
  function colour(text) {
    const numbers = (text.match(/[\d.]+(e-?\d+)?%?/g) || []).map(Number);
    const scale = text.startsWith("color(srgb") ? 255 : 1;
    if (!/^(rgb|color\(srgb)/.test(text)) return { hex: text, alpha: 1 };
    const hex = numbers
      .slice(0, 3)
      .map((n) => Math.round(n * scale).toString(16).padStart(2, "0"))
      .join("");
    return { hex: `#${hex}`, alpha: numbers.length > 3 ? numbers[3] : 1 };
  }

  const painted = (name, text) => {
    const { hex, alpha } = colour(text);
    return { [name]: hex, [`${name}-opacity`]: alpha < 1 ? alpha : null };
  };

  const meet = (a, b) => ({
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  });
  // A line has no height, and is seen all the same.
  const apart = (a, b) =>
    a.right < b.left || a.left > b.right || a.bottom < b.top || a.top > b.bottom;

  class Composer {
    constructor(win, origin) {
      this.win = win;
      this.origin = origin;
      this.defs = element("defs");
      this.count = 0;
      this.pen = document.createElement("canvas").getContext("2d");
    }

    x(value) {
      return value - this.origin.left;
    }

    y(value) {
      return value - this.origin.top;
    }

    define(node) {
      this.count += 1;
      node.setAttribute("id", `picture-${this.count}`);
      this.defs.append(node);
      return `url(#picture-${this.count})`;
    }

    clipped(box) {
      const place = { x: this.x(box.left), y: this.y(box.top) };
      const size = { width: Math.max(0, box.right - box.left), height: Math.max(0, box.bottom - box.top) };
      return this.define(element("clipPath", {}, element("rect", { ...place, ...size })));
    }

    // Corners in percent or px of the box.
    polygon(text, box) {
      const inside = /^polygon\((.*)\)$/.exec(text);
      if (!inside) return null;
      const at = (part, size) => (part.endsWith("%") ? (parseFloat(part) / 100) * size : parseFloat(part));
      const points = inside[1].split(",").map((corner) => {
        const [x, y] = corner.trim().split(/\s+/);
        return `${round(this.x(box.left) + at(x, box.width))},${round(this.y(box.top) + at(y, box.height))}`;
      });
      return this.define(element("clipPath", {}, element("polygon", { points: points.join(" ") })));
    }

    // Appends what `node` shows to `parent`; `seen` is what is visible of where it stands.
    visit(node, parent, seen) {
      if (node.nodeType === Node.TEXT_NODE) {
        this.text(node, parent, seen);
        return;
      }
      if (node.nodeType !== Node.ELEMENT_NODE) return;
      const style = this.win.getComputedStyle(node);
      const opacity = Number(style.opacity);
      if (style.display === "none" || style.visibility === "hidden" || !opacity) return;
      const box = node.getBoundingClientRect();
      const clips = style.overflowX !== "visible" && box.width > 0;
      if (clips && apart(meet(box, seen), seen)) return;
      const shape = this.polygon(style.clipPath, box);
      const group = element("g", { opacity: opacity < 1 ? opacity : null, "clip-path": shape });
      if (["svg", "CANVAS", "IMG"].includes(node.tagName)) this.placed(node, style, group, seen);
      else {
        this.box(box, style, group, seen);
        const inside = clips ? meet(box, seen) : seen;
        const inner = clips ? element("g", { "clip-path": this.clipped(inside) }) : group;
        this.children(node).forEach((child) => this.visit(child, inner, inside));
        if (clips && inner.childNodes.length) group.append(inner);
      }
      if (!group.childNodes.length) return;
      if (group.attributes.length) parent.append(group);
      else parent.append(...group.childNodes);
    }

    // In the order in which they are painted.
    children(node) {
      const level = (child) =>
        (child.nodeType === Node.ELEMENT_NODE && Number(this.win.getComputedStyle(child).zIndex)) || 0;
      return [...node.childNodes].sort((a, b) => level(a) - level(b));
    }

    box(box, style, group, seen) {
      if (!box.width || !box.height || apart(box, seen)) return;
      const place = { x: this.x(box.left), y: this.y(box.top), width: box.width, height: box.height };
      const rx = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2);
      const ground = colour(style.backgroundColor);
      if (ground.alpha > 0) {
        group.append(element("rect", { ...place, rx: rx || null, ...painted("fill", style.backgroundColor) }));
      }
      const hatch = /^repeating-linear-gradient\((-?\d+)deg, ((?:rgba?|color)\([^)]*\))/.exec(
        style.backgroundImage,
      );
      const legend = /^linear-gradient\((to right|90deg), (.*)\)$/.exec(style.backgroundImage);
      if (legend) group.append(element("rect", { ...place, rx: rx || null, fill: this.gradient(legend[2]) }));
      if (hatch) group.append(element("rect", { ...place, fill: this.hatch(Number(hatch[1]), hatch[2]) }));
      this.borders(box, style, group, rx);
    }

    gradient(text) {
      const stops = [...text.matchAll(/((?:rgba?|color)\([^)]*\)|#\w+)(?: ([\d.]+)%)?/g)];
      const nodes = stops.map(([, ink, percent], i) => {
        const { hex, alpha } = colour(ink);
        const offset = percent === undefined ? i / (stops.length - 1) : percent / 100;
        return element("stop", { offset: offset.toFixed(4), "stop-color": hex, "stop-opacity": alpha < 1 ? alpha : null });
      });
      return this.define(element("linearGradient", {}, ...nodes));
    }

    hatch(degrees, ink) {
      const line = element("line", { x1: 0, y1: 0, x2: 0, y2: 7, "stroke-width": 4 });
      for (const [key, value] of Object.entries(painted("stroke", ink))) {
        if (value !== null) line.setAttribute(key, value);
      }
      const pattern = { width: 7, height: 7, patternUnits: "userSpaceOnUse" };
      return this.define(element("pattern", { ...pattern, patternTransform: `rotate(${degrees - 90})` }, line));
    }

    borders(box, style, group, rx) {
      const sides = ["Top", "Right", "Bottom", "Left"].map((side) => ({
        width: style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`]),
        ink: style[`border${side}Color`],
        dash: style[`border${side}Style`] === "dashed" ? "3 3" : null,
      }));
      const stroke = ({ width, ink, dash }) => ({
        ...painted("stroke", ink),
        "stroke-width": width,
        "stroke-dasharray": dash,
        fill: "none",
      });
      const [top] = sides;
      if (top.width && sides.every((one) => one.width === top.width && one.ink === top.ink)) {
        const half = top.width / 2;
        const place = { x: this.x(box.left) + half, y: this.y(box.top) + half, rx: rx || null };
        const size = { width: box.width - top.width, height: box.height - top.width };
        group.append(element("rect", { ...place, ...size, ...stroke(top) }));
        return;
      }
      const left = this.x(box.left);
      const right = this.x(box.right);
      const high = this.y(box.top);
      const low = this.y(box.bottom);
      const paths = [
        (half) => `M${left} ${high + half}H${right}`,
        (half) => `M${right - half} ${high}V${low}`,
        (half) => `M${left} ${low - half}H${right}`,
        (half) => `M${left + half} ${high}V${low}`,
      ];
      sides.forEach((side, i) => {
        if (!side.width || !colour(side.ink).alpha) return;
        group.append(element("path", { d: paths[i](side.width / 2), ...stroke(side) }));
      });
    }

    // Canvas, image and SVG, wherever transforms have put them: their middle stays the middle.
    placed(node, style, group, seen) {
      const box = node.getBoundingClientRect();
      if (!box.width || !box.height || apart(box, seen)) return;
      let matrix = new DOMMatrix();
      for (let one = node; one && one.nodeType === Node.ELEMENT_NODE; one = one.parentNode) {
        const { transform } = this.win.getComputedStyle(one);
        if (transform !== "none") {
          const m = new DOMMatrix(transform);
          matrix = new DOMMatrix([m.a, m.b, m.c, m.d, 0, 0]).multiply(matrix);
        }
      }
      const width = parseFloat(style.width);
      const height = parseFloat(style.height);
      const middle = matrix.transformPoint(new DOMPoint(width / 2, height / 2));
      const e = this.x((box.left + box.right) / 2) - middle.x;
      const f = this.y((box.top + box.bottom) / 2) - middle.y;
      const { a, b, c, d } = matrix;
      const transform =
        a === 1 && b === 0 && c === 0 && d === 1
          ? `translate(${round(e)} ${round(f)})`
          : `matrix(${[a, b, c, d, e, f].map((n) => Number(n.toFixed(5))).join(" ")})`;
      if (node.tagName === "svg") {
        const viewBox = node.getAttribute("viewBox");
        const fit = node.getAttribute("preserveAspectRatio");
        const frame = { width, height, viewBox, preserveAspectRatio: fit, overflow: style.overflowX };
        const copy = element("svg", frame);
        for (const child of node.children) this.copy(child, copy, seen);
        if (copy.childNodes.length) group.append(element("g", { transform }, copy));
        return;
      }
      group.append(
        element("image", {
          width,
          height,
          transform,
          preserveAspectRatio: "none",
          style: style.imageRendering === "pixelated" ? "image-rendering:pixelated" : null,
          href: this.pixels(node),
        }),
      );
    }

    pixels(node) {
      if (node.tagName === "CANVAS") return node.toDataURL("image/png");
      const canvas = document.createElement("canvas");
      canvas.width = node.naturalWidth || node.width;
      canvas.height = node.naturalHeight || node.height;
      canvas.getContext("2d").drawImage(node, 0, 0);
      return canvas.toDataURL("image/png");
    }

    // A part of an SVG, with what its style sheets say written into it.
    copy(node, parent, seen) {
      if (!SHAPES.has(node.tagName)) return;
      const style = this.win.getComputedStyle(node);
      if (style.display === "none" || style.visibility === "hidden") return;
      const within = node.closest("defs, clipPath, pattern");
      const leaf = !["g", "svg", "defs", "clipPath", "pattern", "tspan"].includes(node.tagName);
      if (leaf && !within && apart(node.getBoundingClientRect(), seen)) return;
      const copy = element(node.tagName);
      for (const { name, value } of node.attributes) {
        if (/^(class|style|data-.*|on.*|pointer-events|role|tabindex|aria-.*|xml.*|font.*|text-anchor)$/.test(name)) continue;
        if (name === "xlink:href" || name === "href") {
          if (value.startsWith("data:image/")) copy.setAttribute("href", value);
        } else copy.setAttribute(name, name === "clip-path" ? value.replace(/['"]/g, "") : value);
      }
      const text = ["text", "tspan"].includes(node.tagName);
      for (const name of PAINT) {
        const value = style.getPropertyValue(name);
        if (value === (name === "fill" ? "rgb(0, 0, 0)" : "none")) continue;
        for (const [key, one] of Object.entries(painted(name, value.replace(/['"]/g, "")))) {
          if (one !== null) copy.setAttribute(key, one);
        }
      }
      for (const [name, usual] of Object.entries({ ...STYLES, ...(text ? TEXT_STYLES : {}) })) {
        const value = style.getPropertyValue(name).replace(/['"]/g, name === "font-family" ? "'" : "");
        if (value && value !== usual && !copy.hasAttribute(name)) copy.setAttribute(name, value);
      }
      // A text whose letters have each their own place stays as it is.
      const placed = /[ ,]/.test((node.getAttribute("x") || "").trim());
      // In another font a text keeps its width, and with it what stands beside it.
      if (node.tagName === "text" && !placed && !node.childElementCount && node.textContent.trim()) {
        copy.setAttribute("textLength", round(node.getComputedTextLength()));
        copy.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
      for (const child of node.childNodes) {
        if (child.nodeType === Node.ELEMENT_NODE) this.copy(child, copy, seen);
        else if (text && child.nodeType === Node.TEXT_NODE) copy.append(child.textContent);
      }
      const empty = ["g", "svg", "text", "defs"].includes(node.tagName) && !copy.childNodes.length;
      if (empty) return;
      if (node.tagName === "image" && style.imageRendering === "pixelated") {
        copy.setAttribute("style", "image-rendering:pixelated");
      }
      if (node.tagName === "text" && !placed) {
        const by = this.inward(node, seen);
        if (by === null) return;
        if (by) copy.setAttribute("transform", `translate(${round(by)} 0) ${copy.getAttribute("transform") || ""}`.trim());
        if (style.paintOrder.startsWith("stroke") && copy.hasAttribute("stroke")) parent.append(this.halo(copy));
      }
      parent.append(copy);
    }

    // How far to the right a label must go so that the edge of the picture does not cut it, in px;
    // null where less than half of it is in view.
    inward(node, seen) {
      const { left, right, width } = node.getBoundingClientRect();
      const out = Math.max(seen.left - left, 0) - Math.max(right - seen.right, 0);
      return Math.abs(out) > width / 2 ? null : out;
    }

    // What lies behind the letters of a text and keeps them apart from what they stand on. Not all
    // programs know an order of painting, so it is a text of its own, below.
    halo(copy) {
      const below = copy.cloneNode(true);
      below.setAttribute("fill", copy.getAttribute("stroke"));
      below.setAttribute("stroke-linejoin", "round");
      [...copy.attributes].forEach(({ name }) => name.startsWith("stroke") && copy.removeAttribute(name));
      return below;
    }

    text(node, parent, seen) {
      if (!node.textContent.trim()) return;
      const host = node.parentElement;
      const style = this.win.getComputedStyle(host);
      if (style.color.endsWith(", 0)")) return;
      const size = parseFloat(style.fontSize);
      this.pen.font = `${style.fontWeight} ${size}px ${style.fontFamily}`;
      for (const line of this.lines(node)) {
        if (apart(line, seen) || line.right - line.left < 0.5) continue;
        let words = line.text.trim();
        if (style.textTransform === "uppercase") words = words.toUpperCase();
        words = this.shortened(words, line, host);
        if (!words) continue;
        const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } = this.pen.measureText(words);
        const slack = (line.bottom - line.top - ascent - descent) / 2;
        parent.append(
          element(
            "text",
            {
              x: this.x(line.left),
              y: this.y(line.top) + slack + ascent,
              "font-family": style.fontFamily.replace(/"/g, "'"),
              "font-size": size,
              "font-weight": style.fontWeight === "400" ? null : style.fontWeight,
              textLength: line.right - line.left,
              lengthAdjust: "spacingAndGlyphs",
              ...painted("fill", style.color),
            },
            words,
          ),
        );
      }
    }

    // The lines into which a text is broken, each with its place.
    lines(node) {
      const range = document.createRange();
      const found = [];
      const letters = [...node.textContent];
      let offset = 0;
      for (const letter of letters) {
        range.setStart(node, offset);
        offset += letter.length;
        range.setEnd(node, offset);
        const box = range.getClientRects()[0];
        if (!box || !box.width) continue;
        const last = found[found.length - 1];
        const { left, top, right, bottom } = box;
        if (last && Math.abs(last.top - top) < 3) Object.assign(last, { text: last.text + letter, right });
        else found.push({ text: letter, left, top, right, bottom });
      }
      return found;
    }

    // What fits where the style sheet ends a text with an ellipsis; the line gets its new width.
    shortened(words, line, host) {
      const box = host.closest("*") && this.ellipsed(host);
      if (!box || line.right <= box.right + 0.5) return words;
      const room = box.right - line.left;
      let kept = words;
      while (kept && this.pen.measureText(`${kept}\u2026`).width > room) kept = kept.slice(0, -1);
      line.right = line.left + this.pen.measureText(`${kept.trim()}\u2026`).width;
      return kept ? `${kept.trim()}\u2026` : "";
    }

    ellipsed(host) {
      for (let one = host; one; one = one.parentElement) {
        const style = this.win.getComputedStyle(one);
        if (style.textOverflow !== "ellipsis") continue;
        const box = one.getBoundingClientRect();
        return { right: box.right - parseFloat(style.paddingRight) - parseFloat(style.borderRightWidth) };
      }
      return null;
    }
  }

  // Gives what style sheets add before and after an element a place in the page.
  function materialise(root, win) {
    for (const node of [...root.querySelectorAll("*")]) {
      for (const side of ["::before", "::after"]) {
        const style = win.getComputedStyle(node, side);
        if (style.content === "none" || style.position !== "absolute") continue;
        const stand = root.ownerDocument.createElement("span");
        for (const name of style) stand.style.setProperty(name, style.getPropertyValue(name));
        stand.textContent = style.content.replace(/^["']|["']$/g, "");
        node[side === "::before" ? "prepend" : "append"](stand);
      }
    }
  }

  function wrapped(pen, words, width) {
    const lines = [""];
    // A long link breaks wherever the line ends.
    for (const word of words.split(/(?<= )|(?<=[&?,;/])/)) {
      if (lines[lines.length - 1] && pen.measureText(lines[lines.length - 1] + word).width > width) lines.push("");
      lines[lines.length - 1] += word;
    }
    return lines.map((line) => line.trim()).filter(Boolean);
  }

  // Draws the tracks of a page as the text of an SVG, `PAPER_MM` wide on white ground.
  //   win: the window whose page is drawn; it is changed on the way.
  //   caption: sentences below the tracks.
  function picture(win, caption) {
    const root = win.document.getElementById("scroller");
    materialise(root, win);
    const origin = win.document.getElementById("canvas").getBoundingClientRect();
    const head = root.querySelector(".head").getBoundingClientRect();
    const composer = new Composer(win, { left: origin.left, top: head.top });
    const { width } = origin;
    const tracks = element("g");
    const seen = { left: origin.left, right: origin.right, top: head.top, bottom: origin.bottom };
    composer.visit(root.querySelector(".head"), tracks, seen);
    composer.visit(root.querySelector("#canvas"), tracks, seen);
    const css = win.getComputedStyle(win.document.body);
    const font = css.fontFamily.replace(/"/g, "'");
    composer.pen.font = `${CAPTION_PX}px ${css.fontFamily}`;
    let y = origin.bottom - head.top + 8;
    for (const sentence of caption) {
      for (const line of wrapped(composer.pen, sentence, width - 8)) {
        y += 14;
        const { hex } = colour(css.color);
        tracks.append(
          element(
            "text",
            {
              ...{ x: 4, y, "font-family": font, "font-size": CAPTION_PX, fill: hex },
              ...{ textLength: composer.pen.measureText(line).width, lengthAdjust: "spacingAndGlyphs" },
            },
            line,
          ),
        );
      }
    }
    const height = y + 8;
    const svg = element("svg", {
      width: `${PAPER_MM}mm`,
      height: `${round((PAPER_MM * height) / width)}mm`,
      viewBox: `0 0 ${round(width)} ${round(height)}`,
    });
    svg.append(element("title", {}, caption[0]), element("desc", {}, caption.slice(1).join("\n")));
    svg.append(composer.defs, element("rect", { width, height, fill: "#ffffff" }), tracks);
    return { text: new XMLSerializer().serializeToString(svg), width, height };
  }

  Object.assign(ls, { picture });
})();
