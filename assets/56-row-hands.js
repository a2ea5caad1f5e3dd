// Hands and keys on the labels of rows: order, height, and which rows lie over each other.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $ } = ls;
  const START_PX = 4; // a press that moves less is a click
  const EDGE_PX = 6; // the lower edge of a label resizes its row
  const STEP_PX = 8;
  const OVER_PART = 0.4; // the middle of a row takes what is dropped on it

  let held = null; // {row, kind, y, height, moved, drop} while a hand holds a label

  const rowOf = (id) => ls.state().view.rows.find((row) => row.id === id);
  const placeOf = (id) => ls.state().view.figure.geometry.rows.find((row) => row.id === id);

  // Rows that are drawn over one another keep together: a block is a row with those over it.
  function blocks() {
    const found = [];
    for (const row of ls.state().view.rows) {
      if (row.host) found[found.length - 1].push(row.id);
      else found.push([row.id]);
    }
    return found;
  }

  const order = (found) => ls.go({ track: found.flat(), hide: null });

  // Puts the block of a row before that of another one, or last.
  function moveBefore(id, other) {
    const all = blocks();
    const mine = all.find((block) => block.includes(id));
    const rest = all.filter((block) => block !== mine);
    const at = other === null ? rest.length : rest.findIndex((block) => block.includes(other));
    rest.splice(at < 0 ? rest.length : at, 0, mine);
    if (rest.flat().join() !== all.flat().join()) order(rest);
  }

  function step(id, by) {
    const all = blocks();
    const from = all.findIndex((block) => block.includes(id));
    const to = from + by;
    if (to < 0 || to >= all.length) return;
    [all[from], all[to]] = [all[to], all[from]];
    order(all);
  }

  // A row with all that lies over it is drawn over another one.
  function drawOver(id, host) {
    const mine = blocks().find((block) => block[0] === id) || [id];
    ls.go({ style: ls.styles(Object.fromEntries(mine.map((one) => [one, { over: host }]))) });
  }

  // What the menu of a row offers, as [words, what it does].
  function placeMenu(row) {
    const all = blocks();
    const at = all.findIndex((block) => block.includes(row.id));
    const above = at > 0 && rowOf(all[at - 1][0]);
    const found = [];
    if (!row.host) {
      if (above) found.push(["Move up (Alt \u2191)", () => step(row.id, -1)]);
      if (at < all.length - 1) found.push(["Move down (Alt \u2193)", () => step(row.id, 1)]);
    }
    if (row.host) found.push(["In a row of its own", () => ls.restyle(row, { over: null })]);
    else if (row.kind === "signal" && above && above.kind === "signal") {
      found.push(["Draw over the row above", () => drawOver(row.id, above.id)]);
    }
    return found;
  }

  // ---- By hand ------------------------------------------------------------------------------

  const labelAt = (event) => event.target.closest(".row-label[data-row]");

  function nearEdge(event, label) {
    const box = label.getBoundingClientRect();
    return !label.classList.contains("guest") && box.bottom - event.clientY < EDGE_PX;
  }

  function take(event) {
    const label = labelAt(event);
    if (!label || event.button !== 0 || event.target.closest("button, input, select")) return;
    const row = rowOf(label.dataset.row);
    const kind = nearEdge(event, label) ? "resize" : "move";
    held = { row, kind, y: event.clientY, height: row.height - row.strip, moved: false, drop: null };
    $("gutter").setPointerCapture(event.pointerId);
    ls.closeMenu();
  }

  function drag(event) {
    if (!held) {
      const label = labelAt(event);
      if (label) label.classList.toggle("at-edge", nearEdge(event, label));
      return;
    }
    if (Math.abs(event.clientY - held.y) > START_PX) held.moved = true;
    if (!held.moved) return;
    document.body.classList.add(held.kind === "move" ? "moving-row" : "resizing-row");
    if (held.kind === "resize") showEdge(event.clientY - held.y);
    else showDrop(event.clientY - $("gutter").getBoundingClientRect().top);
  }

  function guide(top, height, text) {
    const node = $("row-guide");
    node.hidden = false;
    node.style.top = `${top}px`;
    node.style.height = `${height}px`;
    node.classList.toggle("over", height > 2);
    node.textContent = text;
  }

  function showEdge(by) {
    held.drop = Math.max(20, held.height + by);
    guide(placeOf(held.row.id).top + held.drop + held.row.strip, 2, `${Math.round(held.drop)} px`);
  }

  function showDrop(y) {
    const all = blocks().map((block) => ({ id: block[0], ...placeOf(block[0]) }));
    const target = all.find((one) => y < one.top + one.height);
    if (!target) {
      const last = all[all.length - 1];
      held.drop = { before: null };
      guide(last.top + last.height + 2, 2, "");
      return;
    }
    const part = (y - target.top) / target.height;
    const other = rowOf(target.id);
    const both = other.kind === "signal" && held.row.kind === "signal" && other.id !== held.row.id;
    if (both && !held.row.host && Math.abs(part - 0.5) < OVER_PART / 2) {
      held.drop = { over: target.id };
      guide(target.top, target.height, `Draw over ${other.label} ${other.biosample ? other.biosample.name : other.title}`);
      return;
    }
    const next = all[all.findIndex((one) => one.id === target.id) + 1];
    const after = part > 0.5;
    held.drop = { before: after ? (next ? next.id : null) : target.id };
    guide(after ? target.top + target.height + 2 : target.top - 4, 2, "");
  }

  function release() {
    if (!held) return;
    const { row, kind, moved, drop } = held;
    held = null;
    document.body.classList.remove("moving-row", "resizing-row");
    $("row-guide").hidden = true;
    if (!moved || drop === null) return;
    if (kind === "resize") ls.resizeRow(row, drop);
    else if (drop.over) drawOver(row.id, drop.over);
    else if (row.host) ls.restyle(row, { over: null });
    else moveBefore(row.id, drop.before);
  }

  // ---- By keys ------------------------------------------------------------------------------

  function focusBy(label, by) {
    const all = [...document.querySelectorAll(".row-label[data-row]")];
    const next = all[all.indexOf(label) + by];
    if (next) next.focus();
  }

  function onKey(event) {
    const label = labelAt(event);
    if (!label || event.target !== label || event.ctrlKey || event.metaKey) return;
    const row = rowOf(label.dataset.row);
    const vertical = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (vertical && event.altKey) step(row.id, vertical);
    else if (vertical && event.shiftKey) ls.resizeRow(row, row.height - row.strip + vertical * STEP_PX);
    else if (vertical) focusBy(label, vertical);
    else if (event.key === "Enter") ls.openMenu(row, label.querySelector(".row-menu"));
    else if (event.key === "Delete") ls.hideRow(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The labels are made anew with every view; the focus stays with its row.
  let focused = null;
  ls.on("view", () => {
    for (const label of document.querySelectorAll(".row-label[data-row]")) {
      label.tabIndex = 0;
      label.setAttribute("role", "group");
      label.setAttribute("aria-label", `${label.title}. Enter opens its menu.`);
      if (focused === label.dataset.row) label.focus({ preventScroll: true });
    }
  });

  ls.page.then(() => {
    const gutter = $("gutter");
    gutter.addEventListener("pointerdown", take);
    gutter.addEventListener("pointermove", drag);
    gutter.addEventListener("pointerup", release);
    gutter.addEventListener("pointercancel", release);
    gutter.addEventListener("keydown", onKey);
    document.addEventListener("focusin", (event) => {
      const label = labelAt(event);
      focused = label && event.target === label ? label.dataset.row : null;
    });
  });

  Object.assign(ls, { placeMenu });
})();
