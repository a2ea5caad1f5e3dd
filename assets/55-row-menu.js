// The menu of a row: scale, height, colour, place, and what is known of it.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  const TALLEST = 800;
  const LOWEST = 20;
  const SCALES = [
    ["linear", "Linear", "Linear scale"],
    ["log", "Log", "ln(1 + |x|), with the sign of x"],
    ["symlog", "Symlog", "log10(1 + |x| / c), with the sign of x; c is one hundredth of the top"],
  ];
  const BINS = [
    ["mean", "Mean", "Each step shows the mean of its bins"],
    ["max", "Maximum", "Each step shows the highest of its bins"],
  ];
  const COLOURS = ["#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#7a3b73", "#5b6470"];

  // A line of the menu with several controls beside its name.
  function line(menu, name, ...controls) {
    const node = make("div", "menu-line");
    node.append(make("span", "muted", name), ...controls);
    menu.append(node);
  }

  function choice(name, words, now, run) {
    return words.map(([value, text, title]) => {
      const one = make("button", "menu-choice", text);
      one.title = title;
      one.setAttribute("role", "menuitemradio");
      one.setAttribute("aria-label", `${name}: ${text}`);
      one.setAttribute("aria-checked", String(value === now));
      one.onclick = () => run(value);
      return one;
    });
  }

  function number(label, value, placeholder, run) {
    const box = make("input", "menu-number");
    box.inputMode = "decimal";
    box.value = value;
    box.placeholder = placeholder;
    box.setAttribute("aria-label", label);
    box.onchange = () => run(box.value.trim());
    return box;
  }

  const topOf = (label, row, style) =>
    number(label, row.style.ymax || "", "fits the data", (text) => {
      const top = text === "" ? null : Number(text);
      if (top === null || (top > 0 && Number.isFinite(top))) style({ ymax: top });
      else ls.toast("The top of a scale is a number above 0");
    });

  function appearance(menu, row, style) {
    if (row.kind === "signal") {
      line(menu, "Scale", ...choice("Scale", SCALES, row.style.scale, (scale) => style({ scale })));
      line(menu, "Top", topOf("Fixed top of the scale; empty to fit the data", row, style));
      line(menu, "Bins", ...choice("Bins", BINS, row.summary, (summary) => style({ summary })));
      const swatches = COLOURS.map((colour) => {
        const one = make("button", "swatch");
        one.style.background = colour;
        one.setAttribute("role", "menuitemradio");
        one.setAttribute("aria-label", `Colour ${colour}`);
        one.setAttribute("aria-checked", String(colour === (row.style.color || "").toLowerCase()));
        one.onclick = () => style({ color: colour });
        return one;
      });
      const free = make("input", "swatch");
      free.type = "color";
      free.value = row.style.color || "#5b6470";
      free.title = "Another colour";
      free.setAttribute("aria-label", "Another colour");
      free.onchange = () => style({ color: free.value });
      const none = make("button", "menu-choice", "default");
      none.onclick = () => style({ color: null });
      const all = make("div", "swatches");
      all.append(...swatches, free, none);
      line(menu, "Colour", all);
    }
    if (row.kind === "contacts") {
      line(menu, "Top", topOf("Upper end of the colours; empty to fit the data", row, style));
    }
    if (row.host) return;
    line(
      menu,
      "Height",
      number("Height in px", heightOf(row), "", (text) => resizeRow(row, Number(text))),
      make("span", "muted", "px"),
    );
  }

  const heightOf = (row) => row.height - row.strip;

  function resizeRow(row, height) {
    if (!Number.isFinite(height)) return;
    restyle(row, { height: Math.max(LOWEST, Math.min(TALLEST, Math.round(height))) });
  }

  function openMenu(row, button) {
    closeMenu();
    const menu = make("div", "menu");
    menu.id = "menu";
    menu.setAttribute("role", "menu");
    const item = (text, run) => {
      const one = make("button", "", text);
      one.setAttribute("role", "menuitem");
      one.onclick = () => {
        closeMenu();
        run();
      };
      menu.append(one);
    };
    const style = (change) => {
      closeMenu();
      restyle(row, change);
    };
    appearance(menu, row, style);
    if (row.kind === "contacts") ls.mapMenu(row).forEach(([text, run]) => item(text, run));
    if (row.predicted.length && row.kind === "signal") {
      const off = ls.state().view.ensemble === "off";
      item(`${off ? "Show" : "Hide"} the spread over 6 readings (m)`, ls.toggleEnsemble);
    }
    if (row.predicted.length && row.kind === "signal") item("ISM at the highest value in view", () => ls.explainPeak(row));
    if (row.kind === "junctions") ls.junctionMenu(row).forEach(([text, run]) => item(text, run));
    ls.placeMenu(row).forEach(([text, run]) => item(text, run));
    item("About this track", () => ls.openInfo(row));
    item("Download", () => ls.openExport({ row }));
    item("Hide", () => hideRow(row));
    document.body.append(menu);
    menu.addEventListener("keydown", (event) => walk(event, menu, button));
    const at = button.getBoundingClientRect();
    menu.style.left = `${at.left}px`;
    menu.style.top = `${Math.max(8, Math.min(at.bottom + 2, window.innerHeight - menu.offsetHeight - 8))}px`;
    menu.querySelector("button").focus();
  }

  // Arrow keys go through the menu, Escape back to where it was opened from.
  function walk(event, menu, button) {
    if (event.key === "Escape") {
      event.stopPropagation();
      closeMenu();
      button.focus();
      return;
    }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...menu.querySelectorAll("button, input")];
    all[(all.indexOf(document.activeElement) + by + all.length) % all.length].focus();
  }

  function hideRow(row) {
    const rows = ls.state().view.rows.map((one) => one.id).filter((id) => id !== row.id);
    if (rows.length) ls.go({ track: rows });
    else ls.toast("A view keeps at least one track");
  }

  // The key of the link that holds how rows are drawn, with a change of some of them.
  function styles(changes) {
    return ls
      .state()
      .view.rows.map((one) => styleText(one.id, { ...one.style, ...changes[one.id] }))
      .filter(Boolean);
  }

  // Changes how a row is drawn.
  const restyle = (row, change) => ls.go({ style: styles({ [row.id]: change }) });

  function closeMenu() {
    const menu = $("menu");
    if (menu) menu.remove();
  }

  function styleText(id, style) {
    const parts = [];
    if (style.height) parts.push(`height=${style.height}`);
    if (style.color) parts.push(`color=${style.color.slice(1)}`);
    if (style.scale !== "linear") parts.push(`scale=${style.scale}`);
    if (style.summary) parts.push(`summary=${style.summary}`);
    if (style.ymax) parts.push(`ymax=${style.ymax}`);
    if (style.shape !== "triangle") parts.push(`shape=${style.shape}`);
    if (style.part !== "both") parts.push(`part=${style.part}`);
    if (style.value) parts.push(`value=${style.value}`);
    if (style.marks !== "on") parts.push(`marks=${style.marks}`);
    if (style.over) parts.push(`over=${style.over}`);
    return parts.length ? [id, ...parts].join(";") : "";
  }

  Object.assign(ls, { openMenu, closeMenu, restyle, styles, hideRow, resizeRow });
})();
