// Keys, buttons and the status line; binds everything once the page is there.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, setProps } = ls;

  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    setProps("mantine", { forceColorScheme: theme });
  };

  // A gene that reaches beyond the sequence is not in the middle of its view.
  let shownGene = { locus: "", middle: 0 };

  async function gene(direction) {
    const { view, visible } = ls.state();
    const middle =
      view.locus.text === shownGene.locus
        ? shownGene.middle
        : Math.round((visible.start + visible.end) / 2);
    const query = new URLSearchParams({
      genome: view.genome.id,
      chrom: view.locus.chrom,
      pos: middle,
      direction,
    });
    try {
      const answer = await ls.json(`/api/v1/next-gene?${query}`);
      await ls.go({ locus: answer.locus });
      shownGene = {
        locus: ls.state().view.locus.text,
        middle: Math.floor((answer.start + answer.end) / 2),
      };
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      ls.toast(error.message);
    }
  }

  function highlight() {
    const { base } = ls.state();
    const { start, end } = ls.selected() || base;
    const kept = ls.state().params.getAll("highlight");
    ls.go({ highlight: [...kept, ls.locusText(base.chromosome, start, end)] });
    ls.clearSelection();
  }

  const copyLink = () => ls.copy(window.location.href, "Link");

  const actions = {
    "go-left": () => ls.pan(-0.5),
    "go-right": () => ls.pan(0.5),
    "zoom-in": () => ls.zoom(0.5),
    "zoom-out": () => ls.zoom(2),
    "copy-link": copyLink,
    "show-export": () => ls.openExport(),
    "choose-file": () => ls.chooseFile(),
    "ask-address": () => ls.askAddress(),
    "toggle-theme": () => {
      const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      setTheme(theme);
      ls.go({ theme }, "replace");
    },
    "toggle-side": () => {
      document.body.classList.toggle("side-toggled");
      window.dispatchEvent(new Event("resize"));
    },
    "show-help": () => setProps("help", { opened: true }),
    "close-drawer": () => ls.closeDrawer(),
    "select-zoom": () => {
      const { start, end } = ls.selected();
      ls.clearSelection();
      ls.glideTo(start, end);
    },
    "select-highlight": highlight,
    "select-copy": () => {
      const { start, end } = ls.selected();
      ls.clearSelection();
      ls.copy(ls.intervalText(ls.state().base.chromosome, start, end), "Locus");
    },
    "select-ism": () => ls.explainHere(),
    "select-delete": () => ls.editSelection("del"),
    "select-invert": () => ls.editSelection("inv"),
    "select-duplicate": () => ls.editSelection("dup"),
    "select-shuffle": () => ls.editSelection("shuffle"),
    "select-export": () => {
      const { start, end } = ls.selected();
      ls.clearSelection();
      ls.openExport({ locus: ls.locusText(ls.state().base.chromosome, start, end) });
    },
    "select-close": () => ls.clearSelection(),
    "show-edits": () => ls.focusEdits(),
    "flip-allele": () => ls.flipAllele(),
    "show-effects": () => ls.toggleEffects(),
  };

  ls.act = (name) => actions[name]();

  const keys = {
    ArrowLeft: (event) => ls.pan(event.shiftKey ? -1 : -0.2),
    ArrowRight: (event) => ls.pan(event.shiftKey ? 1 : 0.2),
    "+": () => ls.zoom(0.5),
    "=": () => ls.zoom(0.5),
    "-": () => ls.zoom(2),
    "/": () => ls.focusSearch(),
    g: () => ls.focusSearch(),
    n: () => gene("next"),
    p: () => gene("previous"),
    c: () => ls.toggleMaps(),
    4: () => ls.toggleAnchor(),
    h: highlight,
    v: () => ls.focusEdits(),
    i: () => ls.explainHere(),
    x: () => ls.toggleEffects(),
    Delete: () => ls.selected() && ls.editSelection("del"),
    d: () => ls.nextWay(),
    a: () => ls.flipAllele(),
    ",": () => ls.crosshairLeft(),
    ".": () => ls.crosshairRight(),
    // With Shift the comma and the full stop are other characters, which differ by keyboard.
    "<": () => ls.selectLeft(),
    ";": () => ls.selectLeft(),
    ">": () => ls.selectRight(),
    ":": () => ls.selectRight(),
    b: () => ls.baseHere(),
    k: () => ls.genesHere(),
    m: () => ls.toggleEnsemble(),
    t: () => ls.nextGenes(),
    r: () => ls.nextStrand(),
    f: () => ls.toggleFrames(),
    Home: () => ls.toEnd(-1),
    End: () => ls.toEnd(1),
    u: () => window.history.back(),
    l: copyLink,
    e: actions["show-export"],
    o: actions["choose-file"],
    "?": actions["show-help"],
    Escape: () => {
      ls.closeMenu();
      ls.clearSelection();
      ls.closeDrawer();
    },
  };

  function onKey(event) {
    if (event.target.closest("input, textarea, select, [contenteditable], [role=tree]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const run = keys[event.key];
    if (!run || !ls.state().view) return;
    event.preventDefault();
    run(event);
  }

  async function showWorkers() {
    try {
      const status = await ls.json("/api/v1/status");
      $("worker-state").textContent = status.sentence;
      $("worker-state").className = status.ready ? "ready" : "waiting";
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      $("worker-state").textContent = error.message;
      $("worker-state").className = "waiting";
    }
  }

  function start() {
    ls.bindSearch();
    ls.bindMouse();
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) actions[button.dataset.action](event);
      if (!event.target.closest("#menu, .row-menu")) ls.closeMenu();
    });
    window.addEventListener("popstate", () =>
      ls.show(new URLSearchParams(window.location.search), "keep"),
    );
    new ResizeObserver(() => {
      if (!ls.resized()) return;
      clearTimeout(start.timer);
      start.timer = setTimeout(ls.redraw, 120);
    }).observe($("viewport"));
    setTheme(document.documentElement.dataset.theme);
    showWorkers();
    setInterval(() => !document.hidden && showWorkers(), 5000);
  }

  ls.page.then(start);
})();
