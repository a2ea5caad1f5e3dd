// Highlights: a flag with the note of each over the tracks, and a menu that edits or removes it.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const LONGEST_NOTE = 200;

  // How the link writes a highlight.
  function textOf({ start, end, note }) {
    const place = ls.locusText(ls.state().view.locus.chrom, start, end);
    return note ? `${place};${note}` : place;
  }

  // Puts another one, or none, in the place of a highlight.
  function replace(mark, other) {
    const old = textOf(mark);
    const kept = ls.state().params.getAll("highlight");
    ls.go({ highlight: kept.flatMap((text) => (text === old ? (other ? [textOf(other)] : []) : [text])) });
  }

  function openHighlight(mark, flag) {
    ls.closeMenu();
    const menu = make("div", "menu highlight-menu");
    menu.id = "menu";
    menu.setAttribute("role", "dialog");
    menu.setAttribute("aria-label", `Highlight ${mark.text}`);
    const box = make("input", "highlight-note");
    box.value = mark.note;
    box.maxLength = LONGEST_NOTE;
    box.placeholder = "Note";
    box.setAttribute("aria-label", "Note of the highlight; Enter saves it");
    const save = () => {
      ls.closeMenu();
      if (box.value.trim() !== mark.note) replace(mark, { ...mark, note: box.value.trim() });
    };
    menu.append(make("div", "menu-title", mark.text), box);
    const tools = [
      ["Save note", save],
      ["Zoom to it", () => ls.glideTo(mark.start, mark.end)],
      ["Remove highlight", () => replace(mark, null)],
    ];
    for (const [text, run] of tools) {
      const one = make("button", "", text);
      one.onclick = () => {
        ls.closeMenu();
        run();
      };
      menu.append(one);
    }
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === box) save();
      else if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      ls.closeMenu();
      flag.focus();
    });
    document.body.append(menu);
    const at = flag.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${at.bottom + 2}px`;
    box.focus();
  }

  ls.on("states", ({ base, region, px }) => {
    let layer = $("highlight-flags");
    if (!layer) {
      layer = make("div");
      layer.id = "highlight-flags";
      $("world").append(layer);
    }
    const { view } = ls.state();
    const seen = view.highlights.filter((mark) => mark.start < base.end && mark.end > base.start);
    layer.replaceChildren(
      ...seen.map((mark) => {
        const flag = make("button", "highlight-flag", mark.note || "\u2691");
        flag.style.left = `${(Math.max(mark.start, base.start) - region.start) * px}px`;
        flag.title = `Highlight ${mark.text}${mark.note ? `: ${mark.note}` : ""}. Click to edit it.`;
        flag.setAttribute("aria-label", flag.title);
        flag.onclick = (event) => {
          event.stopPropagation();
          openHighlight(mark, flag);
        };
        return flag;
      }),
    );
  });
})();
