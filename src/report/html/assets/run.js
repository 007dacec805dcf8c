// Charts of a run: latency over time with stalls, the map of latency, the ladder of quantiles.
(() => {
  const { latency, map, ladder } = page.data;
  const short = (ns) => span(ns).replace(/\.0+ /, " ");
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];
  const timeAxis = () => ({ ...axisStyle(), incrs: steps, values: (_, times, __, ___, step) => times.map((s) => clock(s, step < 1 ? (step < 0.1 ? 2 : 1) : 0)) });
  const scaleOf = (log, range) => (log ? { distr: 3, log: 10, range } : { distr: 1, range });
  const widest = (values) => values.reduce(([low, high], value) => (value > 0 ? [Math.min(low, value), Math.max(high, value)] : [low, high]), [Infinity, 0]);
  const round = ([low, high], log) => (low > high ? [1, 10] : log ? [low / 1.3, high * 1.5] : [0, high * 1.08]);

  function latencyChart() {
    const series = [
      { key: "p50", name: "P50", stroke: "--low", dash: [] }, { key: "p99", name: "P99", stroke: "--mid", dash: [] },
      { key: "p999", name: "P99.9", stroke: "--high", dash: [6, 3] }, { key: "max", name: "Longest", stroke: "--top", dash: [2, 3] },
    ];
    // Of a long run the longest of each step hide everything else; stalls say what they are.
    const state = { log: true, hidden: new Set(latency.time_s.length > 400 ? ["max"] : []), quiet: new Set() };
    const [first, last] = [latency.time_s[0], latency.time_s[latency.time_s.length - 1]];
    const step = latency.time_s.length > 1 ? latency.time_s[1] - first : 1;
    const extent = () => [first - step, last];
    const shownStalls = () => latency.stalls.filter((stall) => !state.quiet.has(stall.cause));
    const values = () => [
      ...series.filter(({ key }) => !state.hidden.has(key)).flatMap(({ key }) => latency[key]),
      ...shownStalls().flatMap((stall) => stall.ns),
    ];

    // Behind everything: when children ran. In front: stalls, by shape and colour.
    const drawChildren = (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      ctx.fillStyle = color("--child");
      for (const [start, end] of latency.children) {
        const [left, right] = [plot.valToPos(start, "x", true), plot.valToPos(end, "x", true)];
        if (right >= bbox.left && left <= bbox.left + bbox.width) ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
      }
      ctx.restore();
    };
    const drawStalls = (plot) => {
      const { ctx, bbox } = plot;
      const { min, max } = plot.scales.x;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      // The rarest in front.
      for (const stall of [...shownStalls()].sort((a, b) => b.number - a.number)) {
        const at = latency.stalls.indexOf(stall);
        const scale = devicePixelRatio * (stall.at_s.length > 200 ? 0.6 : 0.9);
        stall.at_s.forEach((time, index) => {
          if (time < min || time > max) return;
          drawShape(ctx, at, plot.valToPos(time, "x", true), plot.valToPos(stall.ns[index], "y", true), color(`--c${at}`), scale);
        });
      }
      ctx.restore();
    };

    const chart = new Chart("latency", {
      extent,
      rows: () => [latency.time_s, ...series.map(({ key }) => latency[key]), latency.p99_low],
      options: () => ({
        scales: { x: { time: false, range: (_, low, high) => (low === first && high === last ? extent() : [low, high]) }, y: scaleOf(state.log, () => round(widest(values()), state.log)) },
        series: [
          {},
          ...series.map(({ key, name, stroke, dash }) => ({ label: name, stroke: color(stroke), width: key === "p99" ? 1.6 : 1.1, dash, show: !state.hidden.has(key), points: { show: latency.time_s.length < 40 } })),
          { label: "lowest P99", stroke: "transparent", points: { show: false }, show: !state.hidden.has("p99") },
        ],
        bands: state.hidden.has("p99") ? [] : [{ series: [2, 5], fill: color("--band") }],
        axes: [timeAxis(), valueAxis(short, state.log)],
        hooks: { drawAxes: [drawChildren], draw: [drawStalls] },
      }),
      readout: (plot, time, _, index) => {
        if (index === null || index === undefined) return "";
        const parts = series.filter(({ key }) => latency[key][index] !== null).map(({ key, name }) => `${name} ${span(latency[key][index])}`);
        const near = (plot.scales.x.max - plot.scales.x.min) / 150;
        const stalls = shownStalls().flatMap((stall) => stall.at_s.map((at, number) => [at, stall.ns[number], stall.cause])).filter(([at]) => Math.abs(at - time) < near);
        stalls.sort((a, b) => b[1] - a[1]);
        const longest = stalls.slice(0, 2).map(([at, ns, cause]) => `${cause} ${span(ns)} at ${clock(at, 3)}`);
        const more = stalls.length > 2 ? ` and ${stalls.length - 2} more` : "";
        return `Until ${clock(latency.time_s[index])}: ${parts.join(", ")}.${longest.length ? ` Stalls near: ${longest.join(", ")}${more}.` : ""}`;
      },
    });
    const set = (group, key) => (on) => { if (on) group.delete(key); else group.add(key); chart.draw(); };
    chart.controls.append(
      ...chart.zoomButtons(),
      toggle("Logarithmic", true, (on) => { state.log = on; chart.draw(); }),
      ...series.map(({ key, name, stroke }) => toggle(name, !state.hidden.has(key), set(state.hidden, key), shapeIcon(6, stroke))),
      ...latency.stalls.map((stall, at) => toggle(`${stall.cause} (${stall.number})`, true, set(state.quiet, stall.cause), shapeIcon(at, `--c${at}`))),
    );
    if (latency.children.length) chart.controls.append(element("span", { class: "facts" }, "Shaded: a snapshot or a rewrite runs."));
    return chart;
  }

  function mapChart() {
    const decades = 6;
    const rows = Math.max(...map.columns.map(([, , cells]) => cells[0] + cells.length - 1));
    const edge = (row) => 10 ** ((map.first + row) / map.rows_per_decade);
    const last = map.columns[map.columns.length - 1];
    const extent = () => [map.columns[0][0], last[0] + last[1]];
    const drawCells = (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      for (const [start, length, cells] of map.columns) {
        const total = cells.slice(1).reduce((sum, n) => sum + n, 0);
        const left = Math.round(plot.valToPos(start, "x", true));
        const right = Math.round(plot.valToPos(start + length, "x", true));
        if (right < bbox.left || left > bbox.left + bbox.width) continue;
        for (let at = 1; at < cells.length; at++) {
          if (cells[at] === 0) continue;
          const [top, bottom] = [plot.valToPos(edge(cells[0] + at), "y", true), plot.valToPos(edge(cells[0] + at - 1), "y", true)].map(Math.round);
          ctx.fillStyle = `rgb(${ramp(1 + Math.log10(cells[at] / total) / decades)})`;
          ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
        }
      }
      ctx.restore();
    };
    const chart = new Chart("map", {
      extent,
      rows: () => [extent(), [null, null]],
      options: () => ({
        scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: { distr: 3, log: 10, range: () => [edge(0), edge(rows)] } },
        series: [{}, { label: "requests", points: { show: false } }],
        axes: [timeAxis(), valueAxis(short, true)],
        hooks: { draw: [drawCells] },
      }),
      readout: (_, time, ns) => {
        const column = map.columns.find(([start, length]) => time >= start && time < start + length);
        if (!column) return "";
        const [start, length, cells] = column;
        const row = Math.floor(map.rows_per_decade * Math.log10(ns)) - map.first;
        const here = row >= cells[0] ? cells[row - cells[0] + 1] ?? 0 : 0;
        return `${clock(start)} to ${clock(start + length)}, ${span(edge(row))} to ${span(edge(row + 1))}: ${count(here)} requests.`;
      },
    });
    const scale = element("span", { class: "facts ramp" }, "Share of the interval: ");
    const paint = () => scale.replaceChildren("Share of the interval: ", ...[0, 2, 4, 6].map((power) => {
      const [r, g, b] = ramp(1 - power / decades);
      const box = element("span", { class: "swatch" });
      box.style.background = `rgb(${r}, ${g}, ${b})`;
      return element("span", {}, box, ["100 %", "1 %", "0.01 %", "0.0001 % or less"][power / 2]);
    }));
    page.charts.push(paint);
    paint();
    chart.controls.append(...chart.zoomButtons(), scale);
    return chart;
  }

  function ladderChart() {
    const state = { log: true, hidden: new Set() };
    const scopes = ladder.scopes;
    const nines = [...new Set(scopes.flatMap((scope) => scope.nines))].sort((a, b) => a - b);
    const percent = (n) => { const share = 100 * (1 - 10 ** -n); return (share === 0 ? "0" : share.toFixed(Math.max(0, Math.ceil(n) - 2) + (Number.isInteger(n) ? 0 : 2))) + " %"; };
    const extent = () => [0, nines[nines.length - 1]];
    const colors = ["--mid", "--low", "--high", "--top"];
    const values = () => scopes.filter((scope) => !state.hidden.has(scope.name)).flatMap((scope) => scope.ns);
    const chart = new Chart("ladder", {
      extent,
      rows: () => [nines, ...scopes.map((scope) => nines.map((n) => { const at = scope.nines.indexOf(n); return at < 0 ? undefined : scope.ns[at]; }))],
      options: () => ({
        padding: [null, 36, null, null],
        scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: scaleOf(state.log, () => round(widest(values()), state.log)) },
        series: [{}, ...scopes.map((scope, at) => ({ label: scope.name, stroke: color(colors[at % 4]), width: 1.8, dash: at ? [4 + 2 * at, 3] : [], spanGaps: true, show: !state.hidden.has(scope.name), points: { show: false } }))],
        axes: [{ ...axisStyle(), splits: (_, __, low, high) => nines.filter((n) => Number.isInteger(n) && n >= low && n <= high), values: (_, marks) => marks.map(percent) }, valueAxis(short, state.log)],
      }),
      readout: (_, __, ___, index) => {
        if (index === null || index === undefined) return "";
        const parts = scopes.map((scope) => [scope.name, scope.ns[scope.nines.indexOf(nines[index])]]).filter(([, ns]) => ns !== undefined);
        return `${percent(nines[index])} of requests take at most ${parts.map(([name, ns]) => `${span(ns)} (${name})`).join(", ")}.`;
      },
    });
    chart.controls.append(...chart.zoomButtons(), toggle("Logarithmic", true, (on) => { state.log = on; chart.draw(); }));
    if (scopes.length > 1) {
      chart.controls.append(...scopes.map((scope, at) => toggle(scope.name, true, (on) => {
        if (on) state.hidden.delete(scope.name); else state.hidden.add(scope.name);
        chart.draw();
      }, shapeIcon(6, colors[at % 4]))));
    }
    return chart;
  }

  const overTime = latency && latencyChart();
  const cells = map && mapChart();
  if (overTime && cells) { overTime.followers.push(cells); cells.followers.push(overTime); }
  if (ladder && ladder.scopes.length) ladderChart();
})();
