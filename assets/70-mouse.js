// Mouse, wheel and touch: pan, zoom, select.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $ } = ls;

  const BASE_PX = 6; // from here on a single base can be clicked

  let drag = null;
  let selection = null; // {start, end} chosen by Shift-drag

  function bindMouse() {
    const viewport = $("viewport");
    viewport.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !ls.state().drawn || event.target.closest("button")) return;
      const kind = event.shiftKey ? "select" : "pan";
      startDrag(event, viewport, kind);
    });
    $("ruler").addEventListener("pointerdown", (event) => {
      if (event.button === 0 && ls.state().drawn) startDrag(event, $("ruler"), "zoom");
    });
    for (const element of [viewport, $("ruler")]) {
      element.addEventListener("pointermove", moveDrag);
      element.addEventListener("pointerup", endDrag);
      element.addEventListener("pointercancel", endDrag);
    }
    viewport.addEventListener("wheel", wheel, { passive: false });
    $("ruler").addEventListener("wheel", wheel, { passive: false });
    viewport.addEventListener("dblclick", (event) => {
      if (event.target.closest("button")) return;
      ls.forgetClick();
      ls.zoom(event.shiftKey ? 2 : 0.5, ls.positionAt(event.clientX));
    });
  }

  function startDrag(event, element, kind) {
    drag = { kind, x: event.clientX, last: event.clientX, element, moved: false };
    element.setPointerCapture(event.pointerId);
    ls.closeMenu();
    clearSelection();
    if (kind === "pan") element.classList.add("dragging");
  }

  function moveDrag(event) {
    if (!drag) return;
    const { visible } = ls.state();
    if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag.kind === "pan") {
      const bpPerPx = (visible.end - visible.start) / $("viewport").clientWidth;
      ls.panBy((drag.last - event.clientX) * bpPerPx);
      drag.last = event.clientX;
      if (outOfMargin()) ls.settleSoon(0);
    } else {
      paintSelection(drag.x, event.clientX);
    }
  }

  function baseWidth() {
    const { visible } = ls.state();
    return $("viewport").clientWidth / (visible.end - visible.start);
  }

  // The figure ends one screen beyond the view: fetch more before the hand gets there.
  function outOfMargin() {
    const { base, visible } = ls.state();
    const span = base.end - base.start;
    return Math.abs(visible.start - base.start) > 0.7 * span;
  }

  function endDrag(event) {
    if (!drag) return;
    const { kind, x, moved, element } = drag;
    drag = null;
    element.classList.remove("dragging");
    if (kind === "pan") {
      if (moved) ls.settle();
      else if ([ls.clickMap, ls.clickGene, ls.clickFeature, ls.clickJunction].some((click) => click(event))) return;
      else if (baseWidth() >= BASE_PX || ls.overIsm(event)) ls.offerBase(Math.floor(ls.positionAt(event.clientX)), event);
      return;
    }
    const a = ls.positionAt(Math.min(x, event.clientX));
    const b = ls.positionAt(Math.max(x, event.clientX));
    if (!moved) {
      clearSelection();
      return;
    }
    if (kind === "zoom") {
      clearSelection();
      ls.glideTo(Math.floor(a), Math.ceil(b));
    } else {
      offerSelection(Math.floor(a), Math.ceil(b), event);
    }
  }

  function paintSelection(x0, x1) {
    const boxes = $("viewport").getBoundingClientRect();
    const mark = $("selection");
    mark.hidden = false;
    mark.style.left = `${Math.max(0, Math.min(x0, x1) - boxes.left)}px`;
    mark.style.width = `${Math.abs(x1 - x0)}px`;
  }

  function clearSelection() {
    selection = null;
    $("selection").hidden = true;
    $("selection-menu").hidden = true;
  }

  function offerSelection(start, end, event) {
    selection = { start, end };
    const { base } = ls.state();
    const menu = $("selection-menu");
    $("selection-text").textContent =
      `${ls.intervalText(base.chromosome, start, end)} \u00b7 ${ls.widthText(end - start)}`;
    menu.hidden = false;
    const left = Math.min(event.clientX + 8, window.innerWidth - menu.offsetWidth - 12);
    const top = Math.min(event.clientY + 8, window.innerHeight - menu.offsetHeight - 40);
    menu.style.left = `${left}px`;
    menu.style.top = `${top}px`;
  }

  // Selects bases as Shift-drag does.
  function select(start, end, event) {
    const { visible } = ls.state();
    const box = $("viewport").getBoundingClientRect();
    const x = (position) => box.left + ((position - visible.start) * box.width) / (visible.end - visible.start);
    paintSelection(x(start), x(end));
    offerSelection(start, end, event);
  }

  function wheel(event) {
    if (!ls.state().drawn) return;
    const { visible } = ls.state();
    const bpPerPx = (visible.end - visible.start) / $("viewport").clientWidth;
    const unit = event.deltaMode === 1 ? 24 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      ls.zoomAt(Math.exp(Math.max(-60, Math.min(60, event.deltaY * unit)) * 0.006), ls.positionAt(event.clientX));
      ls.settleSoon(220);
      return;
    }
    event.preventDefault();
    const delta = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY;
    ls.panBy(delta * unit * bpPerPx);
    ls.settleSoon(outOfMargin() ? 0 : undefined);
  }

  Object.assign(ls, { bindMouse, clearSelection, select, selected: () => selection });
})();
