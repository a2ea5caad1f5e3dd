// The menu of a row: scale, height, summary, hide.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  const TALLEST = 800;

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
    const style = (change) => restyle(row, change);
    const signal = row.kind === "signal";
    if (row.kind === "contacts") ls.mapMenu(row).forEach(([text, run]) => item(text, run));
    if (signal) item(row.style.scale === "log" ? "Linear scale" : "Log scale (ln(1 + x))", () =>
      style({ scale: row.style.scale === "log" ? "linear" : "log" }),
    );
    if (signal) item(row.summary === "max" ? "Bins show the mean" : "Bins show the maximum", () =>
      style({ summary: row.summary === "max" ? "mean" : "max" }),
    );
    item("Taller", () => style({ height: Math.min(TALLEST, row.height - row.strip + 40) }));
    item("Shorter", () => style({ height: Math.max(36, row.height - row.strip - 40) }));
    if (row.predicted.length && row.kind === "signal") item("ISM at the highest value in view", () => ls.explainPeak(row));
    item("About this track", () => ls.openInfo(row));
    item("Download", () => ls.openExport({ row }));
    item("Hide", () => {
      const rows = ls.state().view.rows.map((one) => one.id).filter((id) => id !== row.id);
      if (rows.length) ls.go({ track: rows });
      else ls.toast("A view keeps at least one track");
    });
    document.body.append(menu);
    const at = button.getBoundingClientRect();
    menu.style.left = `${at.left}px`;
    menu.style.top = `${Math.min(at.bottom + 2, window.innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("button").focus();
  }

  // Changes how a row is drawn.
  function restyle(row, change) {
    const { view } = ls.state();
    const others = view.rows
      .filter((one) => one.id !== row.id)
      .map((one) => styleText(one.id, one.style));
    ls.go({ style: [...others, styleText(row.id, { ...row.style, ...change })].filter(Boolean) });
  }

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
    return parts.length ? [id, ...parts].join(";") : "";
  }

  Object.assign(ls, { openMenu, closeMenu, restyle });
})();
