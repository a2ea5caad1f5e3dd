// The gene row under the pointer: what a transcript is, and which transcripts are shown.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const WAYS = ["longest", "collapsed", "expanded"];
  const WORDS = {
    longest: "One transcript a gene: the one with most exonic bases",
    collapsed: "All transcripts of a gene in one line",
    expanded: "Each transcript in a line of its own",
  };
  const SHORT = { longest: "1 a gene", collapsed: "collapsed", expanded: "all" };

  function nextGenes() {
    const { view } = ls.state();
    const next = WAYS[(WAYS.indexOf(view.genes) + 1) % WAYS.length];
    ls.go({ genes: next });
    ls.toast(WORDS[next]);
  }

  ls.on("view", (view) => {
    const label = document.querySelector(".row-label.genes");
    const way = make("button", "lane-switch", SHORT[view.genes]);
    way.title = `${WORDS[view.genes]}. Show the next way (t)`;
    way.onclick = nextGenes;
    label.querySelector("b").after(" ", way);
  });

  // Exons are counted in the direction of transcription.
  function exonText(one, position) {
    if (!one.exons) return `${one.n_exons} exons`;
    const at = one.exons.findIndex(([start, end]) => start <= position && position < end);
    if (at < 0) return "intron";
    return `exon ${one.strand === "-" ? one.exons.length - at : at + 1} of ${one.exons.length}`;
  }

  const strandText = (strand) => ({ "+": "+ strand", "-": "\u2212 strand" })[strand] || "strand unknown";

  // Lines of the gene row at a position; of one lane where y (px from the top) is given.
  function genesAt(position, y = null) {
    const { genes } = ls.state().view.figure.geometry;
    const lane = y === null ? null : Math.floor((y - genes.top) / genes.lane);
    if (y !== null && (y < genes.top || y >= genes.top + genes.height)) return [];
    return genes.placed.filter(
      (one) => (lane === null || one.lane === lane) && one.start <= position && position < one.end,
    );
  }

  const nameText = ({ symbol, transcript }) =>
    transcript.startsWith(symbol) ? transcript : [symbol, transcript].filter(Boolean).join(" ");

  // What the gene row shows at a place, in words.
  function geneText(position, y) {
    const { chromosome } = ls.state().base;
    return genesAt(position, y)
      .map((one) =>
        [
          nameText(one),
          exonText(one, position),
          strandText(one.strand),
          ls.intervalText(chromosome, one.start, one.end),
        ].join(", "),
      )
      .join("; ");
  }

  // ---- The drawer ---------------------------------------------------------------------------

  function about(one, position, chromosome) {
    const node = make("section", "gene-facts");
    node.append(make("h3", "", nameText(one)));
    const facts = [
      ["Gene", one.id && one.id !== one.symbol ? `${one.symbol} (${one.id})` : one.symbol],
      ["Transcript", one.transcript || "no name"],
      ["Strand", strandText(one.strand)],
      ["Locus", ls.intervalText(chromosome, one.start, one.end)],
      ["Length", ls.widthText(one.end - one.start)],
      ["Coding", one.cds ? ls.intervalText(chromosome, ...one.cds) : "no coding sequence"],
      ["Exons", ls.number.format(one.exons.length)],
      ["Here", exonText(one, position)],
    ];
    const at = one.exons.find(([start, end]) => start <= position && position < end);
    if (at) facts.push(["Exon", `${ls.intervalText(chromosome, ...at)} (${ls.widthText(at[1] - at[0])})`]);
    const list = make("dl", "facts");
    for (const [name, value] of facts) list.append(make("dt", "", name), make("dd", "", value));
    const tools = make("div", "tools");
    const places = [
      ["Zoom to it", [one.start, one.end]],
      at && ["Zoom to the exon", at],
    ];
    for (const [text, [start, end]] of places.filter(Boolean)) {
      const go = make("button", "tool", text);
      const margin = Math.ceil((end - start) / 10);
      go.onclick = () => ls.glideTo(start - margin, end + margin);
      tools.append(go);
    }
    node.append(list, tools);
    return node;
  }

  // Tells about the transcripts at a position: of one line, or of all that are there.
  async function openGenes(position, named = null) {
    const { view, base } = ls.state();
    const query = new URLSearchParams({
      genome: view.genome.id,
      chrom: base.chromosome,
      start: position,
      end: position + 1,
      genes: "expanded",
    });
    const body = ls.openDrawer("Genes");
    try {
      const { genes } = await ls.json(`/api/v1/genes?${query}`);
      const shown = named
        ? genes.filter((one) => one.symbol === named.symbol && (!named.transcript || one.transcript === named.transcript))
        : genes;
      body.replaceChildren(...shown.map((one) => about(one, position, base.chromosome)));
      if (!shown.length) {
        body.append(make("p", "", `There is no gene at ${ls.positionText(base.chromosome, position)}.`));
      }
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      body.append(make("p", "error", error.message));
    }
  }

  // A click in the gene row; returns whether there was a gene.
  function clickGene(event) {
    const box = $("viewport").getBoundingClientRect();
    const position = Math.floor(ls.positionAt(event.clientX));
    const [one] = genesAt(position, event.clientY - box.top);
    if (one) openGenes(position, one);
    return Boolean(one);
  }

  Object.assign(ls, { nextGenes, geneText, clickGene, openGenes });
})();
