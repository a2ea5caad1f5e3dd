// The locus box: suggestions while typing, what was understood, and why not.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  let found = [];
  let chosen = -1;
  let asked = 0;
  let searchTimer = 0;
  const box = () => $("locus");

  function closeSearch() {
    $("suggestions").hidden = true;
    box().setAttribute("aria-expanded", "false");
    box().removeAttribute("aria-activedescendant");
    chosen = -1;
  }

  function showError(error) {
    const under = $("locus-message");
    under.replaceChildren(make("span", "", error.message));
    if (error.suggestion) {
      const button = make("button", "link", error.suggestion);
      button.onmousedown = (event) => {
        event.preventDefault();
        submitLocus(error.suggestion);
      };
      under.append(" Nearest: ", button);
    }
    under.className = "locus-message error";
    under.hidden = false;
  }

  function renderSearch(answer) {
    const list = $("suggestions");
    list.replaceChildren();
    found = [];
    for (const group of answer.groups) {
      if (!group.items.length) continue;
      list.append(make("div", "group", group.title));
      for (const item of group.items) {
        const option = make("div", "option");
        option.id = `option-${found.length}`;
        option.setAttribute("role", "option");
        option.append(make("b", "", item.label), make("span", "", item.detail || ""));
        option.onmousedown = (event) => {
          event.preventDefault();
          submitLocus(item.locus);
        };
        found.push({ ...item, option });
        list.append(option);
      }
    }
    list.hidden = found.length === 0;
    box().setAttribute("aria-expanded", String(!list.hidden));
    const under = $("locus-message");
    if (answer.understood) {
      under.textContent = answer.understood.label;
      under.className = "locus-message";
      under.hidden = false;
    } else {
      under.hidden = true;
    }
  }

  async function suggestFor(text) {
    const mine = ++asked;
    const { view } = ls.state();
    if (!view) return;
    const query = new URLSearchParams({ genome: view.genome.id, q: text });
    try {
      const answer = await ls.json(`/api/v1/search?${query}`);
      if (mine !== asked || document.activeElement !== box()) return;
      const recent = recall().filter((one) => !text || one.toLowerCase().includes(text.toLowerCase()));
      const { genes, regions, variants } = answer.suggestions || {};
      const groups = [
        { title: "Genes", items: genes || [] },
        { title: "Regions", items: regions || [] },
        { title: "Variants", items: variants || [] },
        { title: "Recent", items: recent.slice(0, 5).map((one) => ({ label: one, locus: one })) },
      ];
      renderSearch({ groups, understood: answer.understood });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      if (mine === asked) showError(error);
    }
  }

  const recall = () => JSON.parse(window.sessionStorage.getItem("locuscope:recent") || "[]");

  function remember(text) {
    const kept = [text, ...recall().filter((one) => one !== text)].slice(0, 12);
    window.sessionStorage.setItem("locuscope:recent", JSON.stringify(kept));
  }

  async function submitLocus(text) {
    closeSearch();
    asked += 1;
    clearTimeout(searchTimer);
    const { view } = ls.state();
    const query = new URLSearchParams({ genome: view ? view.genome.id : "", q: text });
    try {
      const answer = await ls.json(`/api/v1/search?${query}`);
      if (answer.error) {
        showError(answer.error);
        return;
      }
      $("locus-message").hidden = true;
      remember(text);
      box().blur();
      const { locus, variant } = answer.understood;
      // A variant that is looked up is looked at alone; going elsewhere keeps the edits.
      await ls.go(variant ? { locus, variant, edit: null } : { locus });
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      showError(error);
    }
  }

  function choose(step) {
    if (!found.length) return;
    if (chosen >= 0) found[chosen].option.removeAttribute("aria-selected");
    chosen = (chosen + step + found.length) % found.length;
    const { option } = found[chosen];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    box().setAttribute("aria-activedescendant", option.id);
  }

  function bindSearch() {
    const input = box();
    for (const [name, value] of [
      ["role", "combobox"],
      ["aria-controls", "suggestions"],
      ["aria-expanded", "false"],
      ["aria-autocomplete", "list"],
      ["maxlength", "1000"],
    ]) {
      input.setAttribute(name, value);
    }
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => {
      closeSearch();
      showLocus();
      if (!$("locus-message").classList.contains("error")) $("locus-message").hidden = true;
    });
    input.addEventListener("input", () => {
      $("locus-message").hidden = true;
      clearTimeout(searchTimer);
      searchTimer = setTimeout(() => suggestFor(input.value.trim()), 90);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") submitLocus(chosen >= 0 ? found[chosen].locus : input.value.trim());
      else if (event.key === "ArrowDown") choose(1);
      else if (event.key === "ArrowUp") choose(-1);
      else if (event.key === "Escape") {
        $("locus-message").hidden = true;
        input.blur();
      } else return;
      event.preventDefault();
    });
  }

  function showLocus() {
    const { view } = ls.state();
    if (view && document.activeElement !== box()) box().value = view.locus.text;
  }

  Object.assign(ls, { bindSearch, showLocus, focusSearch: () => box().focus() });
})();
