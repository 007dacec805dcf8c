// Long tables: searched in every cell, sorted by a column, some rows at a time.
(() => {
  const STEP = 25;

  // What a cell is sorted by.
  function key(value, column) {
    if (Array.isArray(value)) return value[0];
    if (column.order) return column.order.indexOf(value);
    return value;
  }

  function text(value, column) {
    if (!Array.isArray(value)) return shown(value, column.unit);
    const [middle, low, high] = value.map((part) => shown(part, column.unit));
    return low === undefined || (low === middle && high === middle) ? middle : `${middle} (${low} to ${high})`;
  }

  const compare = (a, b) => {
    const [first, second] = [typeof a === "number", typeof b === "number"];
    if (first && second) return a - b;
    if (first !== second) return first ? -1 : 1; // what has no value comes last
    return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
  };

  function build(place, name, list) {
    const texts = list.rows.map((row) => row.map((value, column) => text(value, list.columns[column])));
    const searched = texts.map((row) => row.join("\n").toLowerCase());
    const numeric = list.columns.map((column, at) => list.rows.some((row) => typeof row[at] === "number" || Array.isArray(row[at])));
    const state = { words: [], column: null, down: false, limit: list.first ?? STEP };

    const input = element("input", { type: "search", id: `search-${name}`, placeholder: "words, all of which must occur", autocomplete: "off" });
    const tally = element("output", { for: `search-${name}`, class: "facts" });
    const more = element("button", { type: "button", class: "control" }, "More rows");
    const body = element("tbody");
    const heads = list.columns.map((column, at) => {
      const button = element("button", { type: "button", title: "Sort" }, column.name);
      const head = element("th", { scope: "col", "aria-sort": "none", class: numeric[at] ? "number" : null }, button);
      button.addEventListener("click", () => {
        state.down = state.column === at ? !state.down : false;
        state.column = at;
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        draw();
      });
      return head;
    });

    function draw() {
      let rows = list.rows.map((_, row) => row).filter((row) => state.words.every((word) => searched[row].includes(word)));
      if (state.column !== null) {
        const column = list.columns[state.column];
        const keys = list.rows.map((row) => key(row[state.column], column));
        rows.sort((a, b) => {
          const bothNumbers = typeof keys[a] === "number" && typeof keys[b] === "number";
          const order = compare(keys[a], keys[b]);
          return (state.down && (bothNumbers || !numeric[state.column]) ? -order : order) || a - b;
        });
      }
      const drawn = rows.slice(0, state.limit);
      body.replaceChildren(...drawn.map((row) => element("tr", {}, ...texts[row].map((cell, at) =>
        at === 0 ? element("th", { scope: "row" }, cell) : element("td", { class: numeric[at] ? "number" : null }, cell)))));
      tally.textContent = rows.length === list.rows.length ? `${rows.length} rows` : `${rows.length} of ${list.rows.length} rows`;
      if (drawn.length < rows.length) tally.textContent += `, the first ${drawn.length} shown`;
      more.hidden = drawn.length === rows.length;
    }

    input.addEventListener("input", () => {
      state.words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      state.limit = list.first ?? STEP;
      draw();
    });
    more.addEventListener("click", () => { state.limit += 10 * STEP; draw(); });
    const table = element("table", {}, element("caption", {}, list.caption), element("thead", {}, element("tr", {}, ...heads)), body);
    place.append(
      element("div", { class: "controls tools" }, element("label", { for: input.id }, "Search "), input, tally),
      element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": list.caption }, table),
      element("div", { class: "tools" }, more),
    );
    draw();
  }

  // The points of a sweep: its axes, then its metrics.
  function pointsOf({ axes, points, metrics }) {
    const columns = [
      ...axes.map((axis) => ({ name: axis.name, order: axis.levels })),
      ...metrics.map((metric) => ({ name: metric.name, unit: metric.unit })),
    ];
    const rows = points.map((levels, point) => [...levels.map((level, axis) => axes[axis].levels[level]), ...metrics.map((metric) => metric.values[point])]);
    return { caption: "Points of the sweep", columns, rows };
  }
  if (page.data.sweep) page.data.points = pointsOf(page.data.sweep);

  for (const place of document.querySelectorAll("[data-list]")) {
    const list = page.data[place.dataset.list];
    if (list && list.rows) build(place, place.dataset.list, list);
  }
})();
