// In silico mutagenesis of a junction: what a click on its arc offers, and the row's menu.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { make } = ls;
  const HALF_BP = 100; // on either side of a splice site
  const FLANK_BP = 50;
  const MOST_DRAWN = 20; // introns that are offered because they are drawn

  // The link's words for an intron as a read-out.
  const maskOf = ({ start, end }) => ls.locusText("junction", start, end);

  // Regions that show what a junction needs: all of it where it is short, else either splice site.
  function regions({ start, end, strand }) {
    if (end - start + 2 * FLANK_BP <= ls.MOST_ISM_BP) return [["", start - FLANK_BP, end + FLANK_BP]];
    const left = [start - HALF_BP, start + HALF_BP];
    const right = [end - HALF_BP, end + HALF_BP];
    const [donor, acceptor] = strand === "-" ? [right, left] : [left, right];
    return [
      [", around its donor", ...donor],
      [", around its acceptor", ...acceptor],
    ];
  }

  // An arc of a row as a read-out; null for one of a strand that is not predicted.
  function readoutOf(row, arc) {
    const track = row.predicted.find((one) => one.strand === arc.strand);
    return track ? { track: track.id, mask: maskOf(arc) } : null;
  }

  // What is read out of a row if nobody says it: of junctions the strongest one in view, which the
  // server does not know. `id` names one of its tracks.
  function usualReadout(row, id = "") {
    const track = row.predicted.find((one) => one.id === id) || row.predicted[0];
    const [arc] = row.kind === "junctions" ? ls.predictedArcs(row, id && track.strand) : [];
    return arc ? readoutOf(row, arc) : { track: track.id, mask: "" };
  }

  // What can be done with an arc of a row, as [text, run].
  function choices(row, arc) {
    const readout = readoutOf(row, arc);
    if (!readout) return [];
    return regions(arc).map(([where, start, end]) => [
      `ISM of this junction${where}`,
      () => ls.explain(start, end, { readout }),
    ]);
  }

  // Offers what can be done with the arc under the pointer.
  function clickJunction(event) {
    const found = ls.arcAt(event);
    const offered = found ? choices(found.row, found.arc) : [];
    // A button that goes up is followed by a click, which closes what is open.
    if (offered.length) setTimeout(() => openMenu(found.arc, offered, event));
    return offered.length > 0;
  }

  function openMenu({ start, end, strand }, offered, event) {
    const menu = make("div", "menu base-menu");
    menu.id = "menu";
    menu.setAttribute("role", "menu");
    const places = ls.intervalText(ls.state().base.chromosome, start, end);
    menu.append(make("div", "menu-title", `${places} ${strand.replace("-", "\u2212")}`));
    for (const [text, run] of offered) {
      const one = make("button", "", text);
      one.setAttribute("role", "menuitem");
      one.onclick = () => {
        ls.closeMenu();
        run();
      };
      menu.append(one);
    }
    ls.closeMenu();
    document.body.append(menu);
    menu.style.left = `${Math.min(event.clientX, window.innerWidth - menu.offsetWidth - 8)}px`;
    menu.style.top = `${Math.min(event.clientY + 6, window.innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("button").focus();
  }

  // From a row's menu: what can be done with its strongest junction in view, as [text, run].
  function junctionMenu(row) {
    const [strongest] = ls.predictedArcs(row);
    if (!strongest) return [];
    return choices(row, strongest).map(([text, run]) => [text.replace("this", "the strongest"), run]);
  }

  // Introns as read-outs, as [mask, label]: what is offered already, and what is drawn.
  function junctionMasks(row, strand, chromosome, offered) {
    const drawn = new Map(ls.predictedArcs(row, strand).slice(0, MOST_DRAWN).map((arc) => [maskOf(arc), arc]));
    const all = new Map(offered);
    for (const [mask, { start, end }] of drawn) {
      if (!all.has(mask)) all.set(mask, ls.intervalText(chromosome, start, end));
    }
    return [...all].map(([mask, label]) => {
      const arc = drawn.get(mask);
      return [mask, arc ? `${label} (${ls.valueText(arc.value)} reads)` : label];
    });
  }

  Object.assign(ls, { clickJunction, junctionMenu, junctionMasks, usualReadout });
})();
