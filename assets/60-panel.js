// The side panel: model, biosamples, tracks; it follows the view, and the view follows it.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, setProps } = ls;

  let trackGroups = [];
  let panel = { key: null, model: null, biosamples: null, checked: null, genome: null };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  async function showPanel(view) {
    const checked = view.rows.map((row) => row.id);
    const model = view.model ? view.model.id : "";
    const own = ls.state().params.getAll("own");
    const key = [view.genome.id, model, ...own].join("|");
    if (panel.key !== key) {
      panel = { ...panel, key };
      await fillPanel(view.genome.id, model, own);
      if (ls.state().view !== view) return;
    }
    panel = { key, model, genome: view.genome.id, biosamples: view.chosen_biosamples, checked };
    setProps("genome", { value: view.genome.id });
    setProps("model", { value: model });
    setProps("biosamples", { value: view.chosen_biosamples });
    setProps("track-tree", { checked, data: treeData(new Set(checked)) });
    setProps("overlay", { value: view.mode });
    setProps("autoscale", { value: view.autoscale });
    setProps("ensemble", { checked: view.ensemble === "on" });
  }

  // Each modality says how many of its tracks are shown.
  const treeData = (shown) =>
    trackGroups.map((group) => {
      const count = group.rows.filter((row) => shown.has(row.id)).length;
      return {
        value: group.modality,
        label: `${group.label} \u00b7 ${count}/${ls.number.format(group.rows.length)}`,
        children: group.rows.map((row) => ({ value: row.id, label: row.label })),
      };
    });

  ls.trackGroups = () => trackGroups;

  // What can be chosen depends on genome and model alone, so it is asked for once.
  async function fillPanel(genome, model, own) {
    const query = new URLSearchParams({ genome, model });
    own.forEach((id) => query.append("own", id));
    try {
      const { groups, biosamples } = await ls.json(`/api/v1/tracks?${query}`);
      setProps("biosamples", { data: biosamples });
      trackGroups = groups;
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      ls.notice(error.message, "error");
    }
  }

  // The controls follow when the tracks are drawn: React takes longer than the tracks.
  ls.on("settled", (view) => {
    ls.page.then(() => {
      if (ls.state().view !== view) return;
      document.body.classList.toggle("simulated", Boolean(view.simulated));
      $("licence-note").textContent = (view.model && view.model.licence_note) || "";
      $("validation").textContent = view.model
        ? `Numbers checked by ${view.model.validation}`
        : "";
      $("validation").title = (view.model && view.model.validation_note) || "";
      $("view-width").textContent = view.locus.width_text;
      ls.showLocus();
      showPanel(view);
    });
  });

  const controls = {
    genome: (value) => {
      if (value && value !== panel.genome) {
        const none = { locus: null, track: null, hide: null, style: null, own: null };
        ls.go({ genome: value, ...none, variant: null, edit: null });
      }
    },
    model: (value) => {
      if (value !== null && value !== panel.model && panel.model !== null) {
        ls.go({ model: value, track: null, hide: null, style: null });
      }
    },
    biosamples: (value) => {
      if (panel.biosamples && !same(value, panel.biosamples)) {
        ls.go({ biosample: value.length ? value : [""], track: null, hide: null });
      }
    },
    tracks: (checked) => {
      if (!panel.checked || same([...checked].sort(), [...panel.checked].sort())) return;
      const kept = panel.checked.filter((id) => checked.includes(id));
      const added = checked.filter((id) => !panel.checked.includes(id));
      if (!checked.length) {
        ls.toast("A view keeps at least one track");
        setProps("track-tree", { checked: panel.checked });
        return;
      }
      ls.go({ track: [...kept, ...added], hide: null });
    },
    ensemble: (checked) => {
      const { view } = ls.state();
      if (view && checked !== (view.ensemble === "on")) ls.toggleEnsemble();
    },
    autoscale: (value) => {
      const { view } = ls.state();
      if (view && value && value !== view.autoscale) ls.go({ autoscale: value });
    },
    overlay: (value) => {
      const { view } = ls.state();
      if (view && value && value !== view.mode) ls.go({ mode: value });
    },
  };

  ls.toggleEnsemble = () => {
    const { view } = ls.state();
    ls.go({ ensemble: view.ensemble === "on" ? "off" : "on" });
  };

  // A biosample is found by its name, its CURIE and its synonyms.
  window.dashMantineFunctions = Object.assign(window.dashMantineFunctions || {}, {
    filterBiosamples: ({ options, search }) => {
      const words = search.toLowerCase().split(/\s+/).filter(Boolean);
      const squash = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
      return options.filter((option) => {
        const text = `${option.label} ${option.value} ${option.search || ""}`.toLowerCase();
        return words.every((word) => text.includes(word) || squash(text).includes(squash(word) || "\n"));
      });
    },
  });

  // Dash looks for clientside callbacks below window.dash_clientside.
  window.dash_clientside = Object.assign({}, window.dash_clientside, { controls });
})();
