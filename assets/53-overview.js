// The overview: the chromosome with its bands, what is worth seeing on it, and the view as a box.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const NAME_PX = 6.2; // width of a character of a band's name

  let grip = null; // while a hand holds the box: bp between its start and the hand

  function percents() {
    const [low, high] = ls.bounds();
    return (bp) => (100 * (bp - low)) / (high - low);
  }

  function place(node, start, end, least) {
    const percent = percents();
    node.style.left = `${percent(start)}%`;
    node.style.width = `${Math.max(least, percent(end) - percent(start))}%`;
    return node;
  }

  function band(one, chromosome, px) {
    const node = place(make("span", `cytoband ${one.stain}`), one.start, one.end, 0);
    node.title = `${chromosome.replace(/^chr/, "")}${one.name}: ${ls.intervalText(chromosome, one.start, one.end)}`;
    if (one.stain === "acen") return node;
    const [low, high] = ls.bounds();
    if (((one.end - one.start) * px) / (high - low) > one.name.length * NAME_PX + 6) node.textContent = one.name;
    return node;
  }

  function feature(one, genome) {
    const node = place(make("a", "feature"), one.start, one.end, 0.3);
    node.href = `/browse?genome=${encodeURIComponent(genome)}&${one.link}`;
    node.title = `${one.title} (${one.text}). ${one.about}`;
    node.setAttribute("aria-label", `Open: ${one.title}, ${one.text}`);
    node.draggable = false;
    node.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      ls.show(new URLSearchParams(node.search), "push");
    };
    return node;
  }

  ls.on("view", (view) => {
    const { bands, features } = view.overview;
    const px = $("overview").clientWidth;
    $("overview").classList.toggle("banded", bands.length > 0);
    $("overview-bands").replaceChildren(...bands.map((one) => band(one, view.locus.chrom, px)));
    $("overview-features").replaceChildren(...features.map((one) => feature(one, view.genome.id)));
  });

  ls.on("moved", ({ chromosome, start, end }) => {
    const [low, high] = ls.bounds();
    const said = { valuemin: low + 1, valuemax: high, valuenow: start + 1 };
    said.valuetext = ls.intervalText(chromosome, start, end);
    for (const [name, text] of Object.entries(said)) $("overview").setAttribute(`aria-${name}`, text);
  });

  function positionAt(event) {
    const box = $("overview").getBoundingClientRect();
    const [low, high] = ls.bounds();
    return low + ((event.clientX - box.left) / box.width) * (high - low);
  }

  // The box is taken where the hand takes it; elsewhere its middle comes to the hand.
  function take(event) {
    if (event.button !== 0 || !ls.state().drawn || event.target.closest("a")) return;
    const { visible } = ls.state();
    const box = $("overview-window").getBoundingClientRect();
    const inside = event.clientX >= box.left - 3 && event.clientX <= box.right + 3;
    $("overview").setPointerCapture(event.pointerId);
    grip = { by: inside ? positionAt(event) - visible.start : (visible.end - visible.start) / 2, moved: !inside };
    if (!inside) drag(event);
  }

  function drag(event) {
    if (!grip) return;
    const { visible } = ls.state();
    grip.moved = true;
    ls.panBy(positionAt(event) - grip.by - visible.start);
  }

  function release() {
    if (!grip) return;
    const { moved } = grip;
    grip = null;
    if (moved) ls.settle();
  }

  function toEnd(side) {
    const { visible } = ls.state();
    const width = visible.end - visible.start;
    const [low, high] = ls.bounds();
    if (side < 0) ls.glideTo(low, low + width);
    else ls.glideTo(high - width, high);
  }

  ls.page.then(() => {
    const overview = $("overview");
    overview.addEventListener("pointerdown", take);
    overview.addEventListener("pointermove", drag);
    overview.addEventListener("pointerup", release);
    overview.addEventListener("pointercancel", release);
  });

  Object.assign(ls, { toEnd });
})();
