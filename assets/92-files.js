// Files that come in: own tracks and sessions, chosen or dropped on the page; and sessions going out.
(() => {
  "use strict";
  const ls = window.locuscope;
  const { $, make } = ls;
  const SESSION = "locuscope session";
  const SESSION_VERSION = 1;
  const LONGEST = { session: 1e6, notes: 20000 };
  const NOTES = "locuscope notes";

  // ---- Own tracks -----------------------------------------------------------------------------

  async function addTrack(file) {
    const { view } = ls.state();
    ls.toast(`Reading ${file.name}`);
    const most = Number($("file-choice").dataset.most);
    if (file.size > most) {
      throw new ls.ServerError(413, { message: `This file has ${mib(file.size)} MiB; at most ${mib(most)} can be read.` });
    }
    const query = new URLSearchParams({ genome: view.genome.id, name: file.name });
    const headers = { "Content-Type": "application/octet-stream" };
    const sent = await ls.request(`/api/v1/own?${query}`, { method: "POST", headers, body: file });
    await showAdded(await sent.json());
  }

  async function fetchTrack(url) {
    const genome = ls.state().view.genome.id;
    await showAdded(await ls.post("/api/v1/own-address", { genome, url }));
  }

  const mib = (bytes) => ls.number.format(Math.ceil(bytes / 2 ** 20));

  // The own tracks of a view, shown or hidden, by id: what their files are called.
  function ownTracks() {
    const { view, params } = ls.state();
    const rows = [...view.rows.map((row) => row.id), ...view.hidden, ...params.getAll("track")];
    const names = new Map(rows.map((id) => id.split("/")).filter(([kind]) => kind === "own").map(([, id, name]) => [id, name]));
    return params.getAll("own").map((id) => ({ id, name: names.get(id) || id }));
  }

  async function showAdded(added) {
    const { params } = ls.state();
    const own = params.getAll("own").filter((id) => id !== added.id);
    const change = { own: [...own, added.id] };
    const rows = params.getAll("track");
    if (rows.length && !rows.includes(added.row)) change.track = [...rows, added.row];
    await ls.go(change);
    ls.toast(`${added.name}: ${ls.number.format(added.lines)} lines`);
    if (added.note) ls.notice(`${added.name}: ${added.note}`);
  }

  // ---- Sessions -------------------------------------------------------------------------------

  const notes = () => window.sessionStorage.getItem(NOTES) || "";

  function saveSession() {
    const { view } = ls.state();
    const content = {
      format: SESSION,
      version: SESSION_VERSION,
      program: view.program,
      saved: new Date().toISOString(),
      genome: view.genome.name,
      simulated: view.simulated,
      locus: view.locus.text,
      view: view.query,
      notes: notes(),
      own: ownTracks(),
      held: "A link and notes; no numbers, and of own tracks only their names.",
    };
    const text = JSON.stringify(content, null, 1);
    ls.save(new Blob([text], { type: "application/json" }), `${view.file}.session.json`);
  }

  async function loadSession(file) {
    const wrong = (message) => new ls.ServerError(0, { message });
    if (file.size > LONGEST.session) throw wrong(`${file.name} is too large for a session.`);
    let content;
    try {
      content = JSON.parse(await file.text());
    } catch {
      content = null;
    }
    if (!content || content.format !== SESSION || typeof content.view !== "string") {
      throw wrong(`${file.name} is no session of Locuscope.`);
    }
    if (!(content.version <= SESSION_VERSION)) {
      throw wrong(`${file.name} was saved by a later version, ${String(content.program).slice(0, 40)}.`);
    }
    const words = typeof content.notes === "string" ? content.notes.slice(0, LONGEST.notes) : "";
    window.sessionStorage.setItem(NOTES, words);
    await ls.show(new URLSearchParams(content.view), "push");
    ls.toast(`Opened ${file.name}`);
    if (words) ls.openExport({ notes: true });
    const kept = new Set(ls.state().params.getAll("own"));
    const lost = (Array.isArray(content.own) ? content.own : []).filter((one) => one && !kept.has(one.id));
    if (lost.length) {
      const names = lost.map((one) => String(one.name).slice(0, 60)).join(", ");
      ls.notice(`Not kept on this server: ${names}. Add the file again, under the same name.`);
    }
  }

  // The part of the drawer that saves and opens sessions.
  function sessionSection(body, worker) {
    body.append(make("h3", "", "Session"));
    body.append(make("p", "muted small", "This view with your notes, as a file that opens it again. It holds no numbers: predictions are computed anew."));
    const own = ownTracks().map((one) => one.name);
    if (own.length) {
      body.append(make("p", "muted small", `It names your own tracks (${own.join(", ")}) but does not hold them: keep the files, for this server may forget them.`));
    }
    const box = make("textarea", "field session-notes");
    box.setAttribute("aria-label", "Notes");
    box.placeholder = "Notes";
    box.maxLength = LONGEST.notes;
    box.rows = 4;
    box.value = notes();
    box.oninput = () => window.sessionStorage.setItem(NOTES, box.value);
    const tools = make("div", "tools export-tools");
    tools.append(
      worker("Save session", "View and notes as JSON", async () => saveSession()),
      worker("Open session", "From a file; it can also be dropped on the page", async () => choose()),
    );
    body.append(box, tools);
    return box;
  }

  // ---- Choosing and dropping ------------------------------------------------------------------

  async function take(files) {
    for (const file of files) {
      try {
        await (/\.json$/i.test(file.name) ? loadSession(file) : addTrack(file));
      } catch (error) {
        if (!(error instanceof ls.ServerError)) throw error;
        ls.notice(`${file.name}: ${error.message}`, "error");
      }
    }
  }

  // ---- An address instead of a file -----------------------------------------------------------

  // A form for an address, which may be known already: then it is sent at once.
  function askAddress(url = "") {
    const { hosts } = $("own-tools").dataset;
    const body = ls.openDrawer("Add an address");
    if (!hosts) {
      const file = make("button", "tool", "Add a file");
      file.onclick = choose;
      body.append(
        make("p", "", "This server fetches tracks from no other host. Whoever runs it can name hosts in LOCUSCOPE_REMOTE_HOSTS. A file of your own can be added."),
        file,
      );
      file.focus();
      return;
    }
    const { form, box } = addressForm(hosts);
    body.append(form);
    box.value = url;
    box.focus();
    if (url) form.requestSubmit();
  }

  function addressForm(hosts) {
    const form = make("form");
    const label = make("label", "", "Address of a track");
    const box = make("input", "field");
    label.htmlFor = box.id = "track-address";
    Object.assign(box, { placeholder: `https://${hosts.split(", ")[0]}/`, inputMode: "url", spellcheck: false });
    const wrong = make("p", "error small");
    wrong.setAttribute("role", "alert");
    const send = Object.assign(make("button", "tool", "Add"), { type: "submit" });
    form.append(
      label,
      box,
      wrong,
      make("p", "muted small", `Kinds of file: ${$("file-choice").dataset.endings}.`),
      make("p", "muted small", `Hosts: ${hosts}; by https only.`),
      send,
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      if (!send.hasAttribute("aria-busy")) sendAddress(form, box.value.trim(), wrong, send);
    };
    return { form, box };
  }

  async function sendAddress(form, url, wrong, send) {
    wrong.textContent = "";
    send.setAttribute("aria-busy", "true");
    send.textContent = "Fetching";
    try {
      await fetchTrack(url);
      if (form.isConnected) ls.closeDrawer();
    } catch (error) {
      if (!(error instanceof ls.ServerError)) throw error;
      if (form.isConnected) wrong.textContent = error.message;
      else ls.notice(`${url}: ${error.message}`, "error");
    } finally {
      send.removeAttribute("aria-busy");
      send.textContent = "Add";
    }
  }

  function choose() {
    $("file-choice").value = "";
    $("file-choice").click();
  }

  function bind() {
    $("file-choice").addEventListener("change", (event) => take([...event.target.files]));
    const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    let depth = 0;
    const hint = () => document.body.classList.toggle("dropping", depth > 0);
    document.addEventListener("dragenter", (event) => {
      if (files(event)) depth += 1;
      hint();
    });
    document.addEventListener("dragleave", (event) => {
      if (files(event)) depth = Math.max(0, depth - 1);
      hint();
    });
    document.addEventListener("dragover", (event) => event.dataTransfer && event.preventDefault());
    document.addEventListener("drop", (event) => {
      const link = event.dataTransfer && event.dataTransfer.getData("text/uri-list");
      if (!ls.state().view || !(files(event) || /^https:/.test(link))) return;
      event.preventDefault();
      depth = 0;
      hint();
      if (files(event)) take([...event.dataTransfer.files]);
      else askAddress(link);
    });
  }

  ls.page.then(bind);
  Object.assign(ls, { chooseFile: choose, askAddress, sessionSection });
})();
