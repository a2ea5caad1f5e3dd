// What the page asks of the server: views, tiles, progress, agreement, search.
(() => {
  "use strict";
  const TILE = 1024;
  const MAX_TILES = 4000;
  const MAX_TILES_A_REQUEST = 8;
  const MAX_TRACKS_A_REQUEST = 40; // a request line is not endless
  const AGAIN_MS = 2000;

  class ServerError extends Error {
    constructor(status, error) {
      super(error.message);
      this.status = status;
      this.suggestion = error.suggestion;
    }
  }

  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // What comes too fast for the server is asked again when it says.
  async function request(path, options, patience = 3) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError(0, { message: "Locuscope does not answer. It may have been stopped." });
    }
    if (response.status === 429 && patience > 0 && !(options && options.signal && options.signal.aborted)) {
      await rest(1000 * Math.min(60, Number(response.headers.get("Retry-After")) || 1));
      return request(path, options, patience - 1);
    }
    if (!response.ok) {
      const body = await response.json().catch(() => null);
      const fallback = { message: `The server answered ${response.status}.` };
      throw new ServerError(response.status, (body && body.error) || fallback);
    }
    return response;
  }

  // Does something again, a while after the server could not answer, if it is still wanted.
  function afterAWhile(error, signal, run) {
    const passes = error.status === 0 || error.status >= 500;
    if (passes) rest(AGAIN_MS).then(() => signal?.aborted || run());
  }

  const json = async (path, options) => (await request(path, options)).json();

  // The client's one place where 0-based half-open numbers become the 1-based text people read.
  const number = new Intl.NumberFormat("en-US");
  const locusText = (chromosome, start, end) => `${chromosome}:${start + 1}-${end}`;
  const positionText = (chromosome, position) => `${chromosome}:${number.format(position + 1)}`;
  const intervalText = (chromosome, start, end) =>
    `${positionText(chromosome, start)}-${number.format(end)}`;

  // Three significant figures, without exponents for the numbers that people meet.
  function valueText(value) {
    if (!Number.isFinite(value)) return "no value";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e6) return value.toExponential(2);
    if (size >= 1000) return number.format(Math.round(value));
    if (size < 0.001) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
  }

  // Two decimals, without the 0 before them.
  const correlationText = (value) =>
    value.toFixed(2).replace("-0.00", "0.00").replace("-", "\u2212").replace("0.", ".");

  function widthText(bp) {
    if (bp < 1000) return `${number.format(bp)} bp`;
    if (bp < 1e6) return `${Number((bp / 1e3).toPrecision(3))} kb`;
    return `${Number((bp / 1e6).toPrecision(3))} Mb`;
  }

  // Tiles: 1,024 bins of a power-of-two width; at most one bin a pixel.
  function binWidth(bp, px) {
    let bin = 1;
    while (bin < bp / px) bin *= 2;
    return bin;
  }

  const cache = new Map();
  const tileKey = (scene, track, chromosome, bin, index) =>
    `${scene}|${track}|${chromosome}|${bin}|${index}`;

  function remember(key, tile) {
    cache.delete(key);
    cache.set(key, tile);
    while (cache.size > MAX_TILES) cache.delete(cache.keys().next().value);
  }

  function parseTiles(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let offset = Math.ceil((4 + length) / 4) * 4;
    const tiles = [];
    for (const track of header.tracks) {
      for (let index = header.from; index <= header.to; index += 1) {
        const planes = [];
        for (let plane = 0; plane < track.planes; plane += 1) {
          planes.push(new Float32Array(buffer, offset, TILE));
          offset += 4 * TILE;
        }
        tiles.push({ track: track.id, index, planes, error: track.error || null });
      }
    }
    return { header, tiles };
  }

  // Fetches what is not held yet of `tracks` over [start, end). Returns whether some of it is still
  // missing windows that may come.
  // `version` names a finished prediction, so that the browser may keep the answer for good; `scene`
  // names the genome with its `edits`, under which tiles are kept here.
  async function loadTiles(wanted, signal) {
    const { genome, model, chromosome, start, end, bin, tracks, version } = wanted;
    const { scene, edits } = wanted;
    const first = Math.floor(Math.max(0, start) / (bin * TILE));
    const last = Math.floor(Math.max(0, end - 1) / (bin * TILE));
    const missing = new Map();
    for (const track of tracks) {
      const need = [];
      for (let index = first; index <= last; index += 1) {
        const tile = cache.get(tileKey(scene, track, chromosome, bin, index));
        if (!tile || tile.partial) need.push(index);
      }
      if (need.length) {
        const span = `${need[0]}-${need[need.length - 1]}`;
        missing.set(span, [...(missing.get(span) || []), track]);
      }
    }
    let partial = false;
    await Promise.all(
      [...missing].flatMap(([span, ids]) => {
        const [from, to] = span.split("-").map(Number);
        const parts = [];
        for (let at = from; at <= to; at += MAX_TILES_A_REQUEST) {
          parts.push([at, Math.min(to, at + MAX_TILES_A_REQUEST - 1)]);
        }
        const some = [];
        for (let i = 0; i < ids.length; i += MAX_TRACKS_A_REQUEST) some.push(ids.slice(i, i + MAX_TRACKS_A_REQUEST));
        const asked = parts.flatMap((part) => some.map((few) => [...part, few]));
        return asked.map(async ([a, b, few]) => {
          const query = new URLSearchParams({ genome, chrom: chromosome, bin, from: a, to: b });
          query.set("tracks", few.map(encodeURIComponent).join(","));
          if (model) query.set("model", model);
          if (version) query.set("v", version);
          edits.forEach(([key, text]) => query.append(key, text));
          const response = await request(`/api/v1/tiles?${query}`, { signal });
          const { header, tiles } = parseTiles(await response.arrayBuffer());
          partial = partial || header.partial;
          for (const tile of tiles) {
            tile.partial = header.partial;
            remember(tileKey(scene, tile.track, chromosome, bin, tile.index), tile);
          }
        });
      }),
    );
    return partial;
  }

  const tileAt = (scene, track, chromosome, bin, index) =>
    cache.get(tileKey(scene, track, chromosome, bin, index));

  // Value of `track` in the bin that holds a position; NaN where there is none.
  function valueAt(scene, track, chromosome, bin, position, plane) {
    const index = Math.floor(position / (bin * TILE));
    const tile = tileAt(scene, track, chromosome, bin, index);
    if (!tile) return NaN;
    const planes = tile.planes;
    return (planes[plane] || planes[0])[Math.floor(position / bin) - index * TILE];
  }

  const post = (path, body, signal) =>
    json(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });

  // Notes each question about a thing; the answer is news unless one asked later came before it.
  function inOrder() {
    const answered = new Map();
    let count = 0;
    return (key) => {
      const turn = ++count;
      return () => {
        if ((answered.get(key) || 0) > turn) return false;
        answered.set(key, turn);
        return true;
      };
    };
  }

  Object.assign(window.locuscope, {
    TILE,
    ServerError,
    afterAWhile,
    request,
    json,
    post,
    inOrder,
    number,
    locusText,
    positionText,
    intervalText,
    valueText,
    correlationText,
    widthText,
    binWidth,
    loadTiles,
    tileAt,
    valueAt,
  });
})();
