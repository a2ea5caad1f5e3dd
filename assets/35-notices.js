// What the page says to people: notices under the bar, and short notes that go away.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;

  function notice(text, kind = "notice", action = null) {
    const box = make("div", `note ${kind}`);
    box.setAttribute("role", kind === "error" ? "alert" : "status");
    box.append(make("span", "", text));
    if (action) {
      const button = make("button", "link", action.label);
      button.onclick = () => {
        box.remove();
        action.run();
      };
      box.append(button);
    }
    const close = make("button", "close", "\u00d7");
    close.setAttribute("aria-label", "Dismiss");
    close.onclick = () => box.remove();
    box.append(close);
    $("notes").append(box);
  }

  function toast(text) {
    const box = $("toast");
    box.textContent = text;
    box.classList.add("shown");
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => box.classList.remove("shown"), 2200);
  }

  const suggest = (error) =>
    error.suggestion
      ? { label: `Try ${error.suggestion}`, run: () => ls.go({ locus: error.suggestion }) }
      : null;

  ls.on("view", (view) => {
    $("notes").replaceChildren();
    view.notices.forEach((text) => notice(text));
    (view.genome.problems || []).forEach((p) => notice(`${p.path}: ${p.message}`));
    if (view.model && view.model.unavailable) notice(view.model.unavailable, "error");
    $("page-message").hidden = true;
  });

  ls.on("failed", (error) => {
    if (ls.state().drawn) {
      notice(error.message, "error", suggest(error));
      return;
    }
    $("rows-loading").hidden = true;
    $("page-message").textContent = error.message;
    $("page-message").hidden = false;
  });

  Object.assign(ls, { notice, toast });
})();
