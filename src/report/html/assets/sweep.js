// A sweep: any metric along any axis with its intervals, and as a map of two axes.
(() => {
  const sweep = page.data.sweep;
  if (!sweep || !sweep.axes.length) return;
  const { axes, points, metrics, begin } = sweep;
  const varying = axes.map((_, at) => at).filter((at) => axes[at].levels.length > 1);
  const metricNamed = (name) => metrics.find((metric) => metric.name === name) ?? metrics[0];
  const label = (name) => name.replace(/^p(\d\d)(\d+)$/, "P$1.$2").replace(/^p/, "P");
  const levelsOf = (axis) => axes[axis].levels.map((level, at) => [at, level]);
  const hasValue = (value) => Array.isArray(value);
  const least = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
  const most = (values) => values.reduce((high, value) => Math.max(high, value), -Infinity);
  // A design without a grid has hardly a point at any one level.
  const isGrid = points.length >= varying.reduce((product, at) => product * axes[at].levels.length, 1);

  // Selects for the axes that have no place: held at a level, or any.
  function heldBy(state, places, change) {
    const free = varying.filter((axis) => !places.includes(axis));
    return free.map((axis) => choice(axes[axis].name, [...levelsOf(axis), ["any", "any"]], state.held[axis], (value) => {
      state.held[axis] = value === "any" ? "any" : Number(value);
      change();
    }));
  }
  const matching = (state, places) => points.map((_, at) => at).filter((at) =>
    varying.every((axis) => places.includes(axis) || state.held[axis] === "any" || points[at][axis] === state.held[axis]));

  function lines() {
    const along = begin.along ?? varying[0] ?? 0;
    const state = { metric: begin.metric, along, by: begin.by ?? varying.find((axis) => axis !== along) ?? "none", held: {}, log: null };
    varying.forEach((axis) => { state.held[axis] = isGrid ? 0 : "any"; });
    const metric = () => metricNamed(state.metric);
    const axis = () => axes[state.along];
    const isNumber = () => axis().numbers.length > 0;
    const at = (level) => (isNumber() ? axis().numbers[level] : level);
    const places = () => [state.along, state.by].filter((place) => place !== "none");
    const groups = () => (state.by === "none" ? [[null, ""]] : levelsOf(state.by));
    const shownPoints = () => matching(state, places());
    const valued = () => shownPoints().map((point) => metric().values[point]).filter(hasValue);
    const isLog = () => {
      const values = valued().map(([value]) => value);
      const [low, high] = [least(values), most(values)];
      return low > 0 && (state.log ?? high >= 10 * low);
    };
    const extent = () => {
      if (!isNumber()) return [-0.4, axis().levels.length - 0.6];
      const [low, high] = [axis().numbers[0], axis().numbers[axis().numbers.length - 1]];
      const isFactor = axis().log && low > 0;
      const margin = isFactor ? (high / low) ** 0.06 : 0.06 * (high - low || 1);
      return isFactor ? [low / margin, high * margin] : [low - margin, high + margin];
    };
    const range = () => {
      const all = valued().flat();
      if (!all.length) return [0, 1];
      const [low, high] = [least(all), most(all)];
      if (isLog() && low > 0) return [low / 1.2, high * 1.2];
      return low >= 0 ? [0, high * 1.08 || 1] : [low * 1.08, high * 1.08];
    };

    const drawMarks = (plot) => {
      const { ctx, bbox } = plot;
      const [width, unit] = [axis().levels.length, devicePixelRatio];
      const many = groups().length;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top - 8, bbox.width, bbox.height + 16); ctx.clip();
      groups().forEach(([level], group) => {
        const stroke = color(`--c${group % 7}`);
        for (const point of shownPoints().filter((one) => level === null || points[one][state.by] === level)) {
          const value = metric().values[point];
          // Side by side where they would cover one another.
          const aside = width > 1 ? (group - (many - 1) / 2) * 5 * unit : 0;
          const x = plot.valToPos(at(points[point][state.along]), "x", true) + aside;
          if (!hasValue(value)) {
            const y = bbox.top + bbox.height;
            ctx.strokeStyle = stroke; ctx.lineWidth = 2 * unit; ctx.beginPath();
            for (const side of [-1, 1]) { ctx.moveTo(x - 4 * unit, y - 4 * unit * side); ctx.lineTo(x + 4 * unit, y + 4 * unit * side); }
            ctx.stroke();
            continue;
          }
          const [middle, low, high] = value;
          if (low !== undefined) {
            const [top, bottom] = [high, Math.max(low, plot.scales.y.min)].map((end) => plot.valToPos(end, "y", true));
            ctx.strokeStyle = stroke; ctx.lineWidth = 1.5 * unit; ctx.beginPath();
            ctx.moveTo(x, top); ctx.lineTo(x, bottom);
            for (const end of [top, bottom]) { ctx.moveTo(x - 3 * unit, end); ctx.lineTo(x + 3 * unit, end); }
            ctx.stroke();
          }
          drawShape(ctx, group, x, plot.valToPos(middle, "y", true), stroke, 0.8 * unit);
        }
      });
      ctx.restore();
    };

    const chart = new Chart("lines", {
      extent,
      rows: () => {
        const xs = axis().levels.map((_, level) => at(level));
        const line = ([level]) => {
          const own = shownPoints().filter((point) => level === null || points[point][state.by] === level);
          const of = (x) => own.filter((point) => points[point][state.along] === x);
          const clear = xs.every((_, x) => of(x).length <= 1);
          return xs.map((_, x) => { const value = clear && of(x).length ? metric().values[of(x)[0]] : null; return hasValue(value) ? value[0] : null; });
        };
        return [xs, ...groups().map(line)];
      },
      options: () => ({
        scales: {
          x: { time: false, distr: isNumber() && axis().log ? 3 : 1, range: (_, low, high) => (chart && chart.zoom ? [low, high] : extent()) },
          y: { distr: isLog() ? 3 : 1, range },
        },
        series: [{}, ...groups().map(([, level], group) => ({ label: level, stroke: color(`--c${group % 7}`), width: 1.5, spanGaps: false, points: { show: false } }))],
        axes: [
          { ...axisStyle(), splits: () => axis().levels.map((_, level) => at(level)), values: () => axis().levels, space: 60, filter: (_, splits) => splits.map((split, n) => (n % Math.ceil(splits.length / Math.max(2, chartWidth() / 80)) === 0 ? split : null)) },
          valueAxis((value) => shown(value, metric().unit), isLog()),
        ],
        hooks: { draw: [drawMarks] },
      }),
      readout: (_, __, ___, index) => {
        if (index === null || index === undefined) return "";
        const found = groups().map(([level, name]) => {
          const point = shownPoints().find((one) => points[one][state.along] === index && (level === null || points[one][state.by] === level));
          if (point === undefined) return null;
          const value = metric().values[point];
          const text = hasValue(value) ? value.map((part) => shown(part, metric().unit)) : [value];
          return (name ? name + ": " : "") + text[0] + (text.length > 2 ? ` (${text[1]} to ${text[2]})` : "");
        });
        return `${axis().name} ${axis().levels[index]}: ${found.filter(Boolean).join("; ")}`;
      },
    });
    function chartWidth() { return document.querySelector('[data-chart="lines"]').clientWidth; }

    function controls() {
      const redraw = () => { chart.zoom = null; controls(); chart.draw(); };
      const focused = document.activeElement?.closest("label")?.textContent;
      chart.controls.replaceChildren(
        choice("Metric", metrics.map(({ name, about }) => [name, `${label(name)}: ${about}`]), metric().name, (value) => { state.metric = value; redraw(); }),
        choice("Along", varying.map((one) => [one, axes[one].name]), state.along, (value) => {
          state.along = Number(value);
          if (state.by === state.along) state.by = varying.find((one) => one !== state.along) ?? "none";
          redraw();
        }),
        choice("A line for each", [["none", "(one line)"], ...varying.filter((one) => one !== state.along).map((one) => [one, axes[one].name])], state.by, (value) => { state.by = value === "none" ? "none" : Number(value); redraw(); }),
        ...heldBy(state, places(), () => chart.draw()),
        toggle("Logarithmic", isLog(), (on) => { state.log = on; chart.draw(); }),
        ...groups().filter(([level]) => level !== null).map(([, name], group) => element("span", { class: "facts" }, shapeIcon(group, `--c${group % 7}`), name)),
      );
      if (focused) [...chart.controls.querySelectorAll("label")].find((one) => one.textContent === focused)?.querySelector("select").focus();
    }
    controls();
  }

  function cells() {
    const place = document.querySelector('[data-chart="cells"]');
    if (!place) return;
    const controls = document.querySelector('[data-controls="cells"]');
    document.querySelector('[data-readout="cells"]').remove();
    place.setAttribute("role", "region");
    const across = begin.along ?? varying[0];
    const state = { metric: begin.metric, across, down: begin.by ?? varying.find((axis) => axis !== across), held: {} };
    varying.forEach((axis) => { state.held[axis] = isGrid ? 0 : "any"; });

    function draw() {
      const metric = metricNamed(state.metric);
      const places = [state.across, state.down];
      const matched = matching(state, places);
      const values = matched.map((point) => metric.values[point]).filter(hasValue).map(([value]) => value);
      const [low, high] = [least(values), most(values)];
      const isLog = low > 0 && high >= 10 * low;
      const share = (value) => (high === low ? 0.5 : isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
      const cell = (x, y) => {
        const here = matched.filter((point) => points[point][state.across] === x && points[point][state.down] === y).map((point) => metric.values[point]);
        const known = here.filter(hasValue).map(([value]) => value).sort((a, b) => a - b);
        if (!known.length) return element("td", { title: here.find((value) => typeof value === "string") ?? "no point" }, here.length ? "×" : "");
        const middle = known[Math.floor((known.length - 1) / 2)];
        const [r, g, b] = ramp(share(middle));
        const text = shown(middle, metric.unit) + (known.length > 1 ? ` (median of ${known.length})` : "");
        const made = element("td", {}, text);
        made.style.background = `rgb(${r}, ${g}, ${b})`;
        made.style.color = 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff";
        return made;
      };
      const head = element("tr", {}, element("th", { scope: "col" }, `${axes[state.down].name} \\ ${axes[state.across].name}`), ...axes[state.across].levels.map((level) => element("th", { scope: "col" }, level)));
      const rows = axes[state.down].levels.map((level, y) => element("tr", {}, element("th", { scope: "row" }, level), ...axes[state.across].levels.map((_, x) => cell(x, y)))).reverse();
      place.replaceChildren(element("table", { class: "cells" }, element("caption", {}, `${label(metric.name)}: ${metric.about}; × is a point without a value`), element("thead", {}, head), element("tbody", {}, ...rows)));
    }
    function choose() {
      const change = () => { choose(); draw(); };
      const pick = (key, other) => (value) => {
        const before = state[key];
        state[key] = Number(value);
        if (state[other] === state[key]) state[other] = before;
        change();
      };
      const all = varying.map((axis) => [axis, axes[axis].name]);
      controls.replaceChildren(
        choice("Metric", metrics.map(({ name }) => [name, label(name)]), metricNamed(state.metric).name, (value) => { state.metric = value; draw(); }),
        choice("Across", all, state.across, pick("across", "down")),
        choice("Upwards", all, state.down, pick("down", "across")),
        ...heldBy(state, [state.across, state.down], draw),
      );
    }
    page.charts.push(draw);
    choose();
    draw();
  }

  lines();
  cells();
})();
