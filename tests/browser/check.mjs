// Checks of report pages in a real browser: node check.mjs CHROMIUM FOLDER
//
// FOLDER holds the pages that `run` beside this file makes; screenshots go there too. What is compared are the pixels of charts, the
// text of tables and the answers to the rules of accessibility that a script can decide.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, folder] = process.argv.slice(2);
const require = createRequire(path.resolve("target/browser/package.json"));
const browser = await require("playwright-core").chromium.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const file = (name) => path.join(folder, name);
let failed = 0;
let passed = 0;

// Opens a page, and fails on anything that it logs, throws or fetches.
async function open(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.stack));
  page.on("request", (request) => /^(file|data):/.test(request.url()) || faults.push(request.url()));
  await page.goto(pathToFileURL(file(name)).href);
  await settle(page);
  return { page, close: async () => { await context.close(); assert.deepEqual(faults, [], `${name} logs nothing and fetches nothing`); } };
}

const settle = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)))));
const chart = (name) => `[data-chart="${name}"]`;
const pixels = (page, name) => page.evaluate((place) => document.querySelector(`${place} canvas`).toDataURL(), chart(name));
// How many colours a chart has, of those on at least 20 pixels.
const colours = (page, name) => page.evaluate((place) => {
  const canvas = document.querySelector(`${place} canvas`);
  // A copy is read: reading the chart's own canvas is warned of.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 200) continue;
    const key = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.values()].filter((count) => count >= 20).length;
}, chart(name));
const button = (page, name, text) => page.locator(`[data-controls="${name}"] button`, { hasText: text }).first();

// What of a page's text hardly stands out from its background.
const faint = (page) => page.evaluate(() => {
  const channel = (value) => { const c = value / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const opaque = (element) => { for (let own = element; own; own = own.parentElement) { const c = rgb(getComputedStyle(own).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll("h1, h2, p, td, th, a, dd, dt, button, label, figcaption, summary, caption, code")]
    .filter((element) => element.offsetParent && element.textContent.trim() && element.getAttribute("aria-pressed") !== "false")
    .map((element) => { const pair = [luminance(rgb(getComputedStyle(element).color)), luminance(opaque(element))].sort((a, b) => b - a); return [(pair[0] + 0.05) / (pair[1] + 0.05), element.outerHTML.slice(0, 80)]; })
    .filter(([contrast]) => contrast < 4.5).slice(0, 5);
});

// Does something and says whether the chart looks different afterwards.
async function changes(page, name, act) {
  const before = await pixels(page, name);
  await act();
  await settle(page);
  return before !== (await pixels(page, name));
}

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}

await check("six hours take less than 2 MB", () => assert.ok(statSync(file("six-hours.html")).size < 2e6));

await check("a run's charts are drawn and its page is quiet", async () => {
  const { page, close } = await open("run.html");
  for (const [name, least] of [["latency", 5], ["map", 8], ["ladder", 2]]) {
    assert.ok((await colours(page, name)) >= least, `${name} has ${await colours(page, name)} colours`);
  }
  await page.screenshot({ path: file("run.png") });
  for (const section of ["map", "quantiles", "blame", "events"]) {
    await page.locator(`#${section}`).screenshot({ path: file(`run-${section}.png`) });
  }
  await close();
});

await check("nothing moves while a page is laid out", async () => {
  const { page, close } = await open("run.html");
  const shift = await page.evaluate(() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => { sum += entry.value; })).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(sum), 200);
  }));
  assert.ok(shift < 0.02, `layout shift ${shift}`);
  await close();
});

await check("scales, series and causes are switched", async () => {
  const { page, close } = await open("run.html");
  for (const name of ["latency", "ladder"]) {
    const scale = button(page, name, "Logarithmic");
    assert.equal(await scale.getAttribute("aria-pressed"), "true");
    assert.ok(await changes(page, name, () => scale.click()), `${name} on a linear scale`);
    assert.equal(await scale.getAttribute("aria-pressed"), "false");
    assert.ok(await changes(page, name, () => scale.click()));
  }
  for (const what of ["P99", "fork"]) {
    const whole = await pixels(page, "latency");
    assert.ok(await changes(page, "latency", () => button(page, "latency", what).click()), what);
    await button(page, "latency", what).click();
    await settle(page);
    assert.equal(await pixels(page, "latency"), whole, `${what} comes back`);
  }
  await close();
});

await check("charts over time are zoomed together, by mouse, buttons and keyboard", async () => {
  const { page, close } = await open("run.html");
  const [latency, map] = [await pixels(page, "latency"), await pixels(page, "map")];
  const whole = async () => (await pixels(page, "latency")) === latency && (await pixels(page, "map")) === map;
  const box = await page.locator(`${chart("latency")} .u-over`).boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await settle(page);
  assert.notEqual(await pixels(page, "latency"), latency, "the drag zooms");
  assert.notEqual(await pixels(page, "map"), map, "the map follows");
  await button(page, "map", "Show all").click();
  await page.mouse.move(0, 0);
  await settle(page);
  assert.ok(await whole(), "show all shows all, in both");
  await page.locator(chart("latency")).focus();
  assert.ok(await changes(page, "map", () => page.keyboard.press("+")), "+ zooms");
  await page.keyboard.press("0");
  await settle(page);
  assert.ok(await whole(), "0 shows all");
  for (let press = 0; press < 3; press++) await page.keyboard.press("Shift+ArrowRight");
  await settle(page);
  assert.match(await page.locator('[data-readout="latency"]').innerText(), /^Until [\d:]+: P50 .+, P99 .+ [mu]?s/);
  await page.locator(chart("ladder")).focus();
  await page.keyboard.press("ArrowRight");
  await settle(page);
  assert.match(await page.locator('[data-readout="ladder"]').innerText(), /% of requests take at most .+ \(all\)/);
  await close();
});

await check("the map tells the requests under the cursor", async () => {
  const { page, close } = await open("run.html");
  const data = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).map);
  await page.locator(chart("map")).scrollIntoViewIfNeeded();
  const box = await page.locator(`${chart("map")} .u-over`).boundingBox();
  const [, , cells] = data.columns[0];
  const rows = Math.max(...data.columns.map(([, , own]) => own[0] + own.length - 1));
  const most = cells.indexOf(Math.max(...cells.slice(1)), 1);
  const y = box.y + box.height * (1 - (cells[0] + most - 0.5) / rows);
  await page.mouse.move(box.x + 4, y);
  await settle(page);
  const told = await page.locator('[data-readout="map"]').innerText();
  const units = [[1e6, "M"], [1e3, "k"]].filter(([unit]) => cells[most] >= 9999.5 && cells[most] >= unit);
  const shown = units.length ? `${Number((cells[most] / units[0][0]).toPrecision(3))}` : String(cells[most]);
  const [, digits] = told.match(/: ([\d.]+)(?: [kM])? requests/) ?? [null, told];
  assert.equal(String(Number(digits)), shown);
  await close();
});

await check("events are searched and sorted", async () => {
  const { page, close } = await open("run.html");
  const rows = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).events.rows);
  const list = page.locator('[data-list="events"]');
  const forks = rows.filter((row) => row.join(" ").includes("fork"));
  await list.locator("input").fill("FORK");
  assert.match(await list.locator("output").innerText(), new RegExp(`^${forks.length} of ${rows.length} rows`));
  assert.ok((await list.locator("tbody tr").allInnerTexts()).every((text) => text.includes("fork")));
  await list.locator("input").fill("no such words");
  assert.equal(await list.locator("tbody tr").count(), 0);
  await list.locator("input").fill("");
  const byLength = list.locator("thead button", { hasText: "Length" });
  await byLength.click();
  await byLength.click();
  const longest = rows.reduce((a, b) => (b[1] > a[1] ? b : a));
  assert.equal(await list.locator("thead th").nth(1).getAttribute("aria-sort"), "descending");
  assert.equal(await list.locator("tbody tr").first().locator("td").nth(1).innerText(), longest[2]);
  const before = await list.locator("tbody tr").count();
  await list.locator("button", { hasText: "More rows" }).click();
  assert.ok((await list.locator("tbody tr").count()) > before);
  await close();
});

await check("dark and light, by the system and by the switch", async () => {
  const background = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const { page, close } = await open("run.html", { colorScheme: "dark" });
  const dark = await background(page);
  await page.screenshot({ path: file("run-dark.png") });
  assert.ok(await changes(page, "latency", () => page.locator("#theme").click()), "charts follow");
  assert.equal(await page.locator("#theme").innerText(), "Theme: light");
  assert.notEqual(await background(page), dark);
  await page.locator("#theme").click();
  assert.equal(await background(page), dark);
  await close();
});

await check("text stands out from its background in both themes", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page, close } = await open("run.html", { colorScheme });
    assert.deepEqual(await faint(page), [], colorScheme);
    await close();
  }
});

await check("what is not seen is said: names, heads, captions", async () => {
  for (const name of ["run.html", "sweep.html", "comparison.html"]) {
    const { page, close } = await open(name);
    const faults = await page.evaluate(() => {
      const all = (selector) => [...document.querySelectorAll(selector)];
      const found = [];
      all(".chart").forEach((one) => (one.getAttribute("aria-label") ?? "").length > 40 || found.push(`chart ${one.dataset.chart} has no description`));
      all("table").forEach((one) => one.caption?.textContent || found.push("a table has no caption"));
      all("table").forEach((one) => one.querySelector("thead th[scope=col]") || found.push("a table has no heads"));
      all("button").forEach((one) => one.textContent.trim() || found.push("a button has no name"));
      all("input, select").forEach((one) => one.labels.length || found.push(`${one.id} has no label`));
      all(".scroll").forEach((one) => one.tabIndex === 0 || found.push("a table cannot be scrolled by keyboard"));
      const ids = all("[id]").map((one) => one.id);
      if (new Set(ids).size !== ids.length) found.push("an id is there twice");
      all("nav a").forEach((one) => document.querySelector(one.getAttribute("href")) || found.push(`${one.href} leads nowhere`));
      if (!document.documentElement.lang || !document.title) found.push("no language or title");
      return found;
    });
    assert.deepEqual(faults, [], name);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await close();
  }
});

await check("360 pixels are enough", async () => {
  for (const name of ["run.html", "sweep.html", "comparison.html"]) {
    const { page, close } = await open(name, { viewport: { width: 360, height: 740 } });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, name);
    await page.screenshot({ path: file(name.replace(".html", "-narrow.png")) });
    await close();
  }
});

await check("paper is light, without controls", async () => {
  const { page, close } = await open("run.html", { colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  await settle(page);
  assert.equal(await page.evaluate(() => document.documentElement.classList.contains("dark")), false);
  assert.equal(await button(page, "latency", "Zoom in").isVisible(), false);
  assert.equal(await button(page, "latency", "fork").isVisible(), true, "the legend stays");
  assert.equal(await page.locator("#theme").isVisible(), false);
  assert.ok((await colours(page, "latency")) >= 5);
  const pdf = await page.pdf({ path: file("run.pdf"), format: "A4" });
  assert.ok(pdf.length > 30_000 && readFileSync(file("run.pdf")).subarray(0, 5).toString() === "%PDF-");
  await close();
});

await check("without scripts the tables are there", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(pathToFileURL(file("run.html")).href);
  assert.match(await page.locator("#quantiles table").innerText(), /all/);
  assert.match(await page.locator("noscript").innerText(), /need JavaScript/);
  await context.close();
});

await check("a sweep is shown along any axis and by two", async () => {
  const { page, close } = await open("sweep.html");
  assert.ok((await colours(page, "lines")) >= 3);
  const select = (label) => page.locator('[data-controls="lines"] label', { hasText: label }).locator("select");
  assert.ok(await changes(page, "lines", () => select("Metric").selectOption("throughput")), "another metric");
  assert.ok(await changes(page, "lines", () => select("Along").selectOption({ label: "redis_appendfsync" })), "another axis");
  assert.ok(await changes(page, "lines", () => select("A line for each").selectOption("none")), "one line");
  const sweep = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).sweep);
  const cells = page.locator(`${chart("cells")} td`);
  const held = sweep.points.filter((levels) => levels.every((level, axis) => [sweep.begin.along, sweep.begin.by].includes(axis) || level === 0));
  assert.equal(await cells.count(), held.length);
  const first = await cells.allInnerTexts();
  await page.locator('[data-controls="cells"] label', { hasText: "Metric" }).locator("select").selectOption("throughput");
  assert.notDeepEqual(await cells.allInnerTexts(), first);
  const list = page.locator('[data-list="points"]');
  await list.locator("input").fill("always");
  const always = sweep.points.filter((levels) => sweep.axes.some((axis, at) => axis.levels[levels[at]] === "always"));
  assert.match(await list.locator("output").innerText(), new RegExp(`^${always.length} of ${sweep.points.length}`));
  await page.locator("main").screenshot({ path: file("sweep.png") });
  await close();
});

const lessons = readdirSync(folder).filter((name) => /^lesson-.*\.html$/.test(name));

await check("lessons are quiet, readable in both themes, and fit a telephone", async () => {
  assert.ok(lessons.length >= 8, `${lessons.length} lessons`);
  for (const name of lessons) {
    for (const colorScheme of ["light", "dark"]) {
      const { page, close } = await open(name, { colorScheme, viewport: { width: 360, height: 740 } });
      assert.deepEqual(await faint(page), [], `${name}, ${colorScheme}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, name);
      await close();
    }
  }
});

await check("a lesson keeps its answer until it is asked for, and shows its pictures", async () => {
  for (const name of lessons) {
    const { page, close } = await open(name);
    const answer = page.locator("details p");
    assert.equal(await answer.isVisible(), false, name);
    await page.locator("summary").focus();
    await page.keyboard.press("Enter");
    assert.equal(await answer.isVisible(), true, name);
    const drawn = await page.evaluate(() => {
      const all = (selector) => [...document.querySelectorAll(selector)];
      const wide = (one) => one.getBoundingClientRect().width >= 1 && one.getBoundingClientRect().height >= 1;
      const svgs = all("figure svg");
      if (!svgs.every((one) => (one.getAttribute("aria-label") ?? "").length > 20)) return "a figure has no description";
      if (!svgs.every((one) => one.querySelectorAll("polyline, path, rect, circle").length > 3 && wide(one))) return "a figure is empty";
      if (!all(".bar").every(wide)) return "a bar is not seen";
      return svgs.length + all(".bar").length > 1 ? "" : "nothing is drawn";
    });
    assert.equal(drawn, "", name);
    await page.locator("main").screenshot({ path: file(name.replace(".html", ".png")) });
    await close();
  }
});

await check("nothing in a file becomes markup or runs", async () => {
  const { page, close } = await open("hostile.html");
  assert.equal(await page.evaluate(() => window.hostile), undefined);
  assert.equal(await page.locator("img").count(), 0);
  assert.match(await page.locator('[data-list="events"]').innerText(), /<\/script><script>/);
  await close();
});

await check("the picture for the README", async () => {
  const { page, close } = await open("picture.html", { viewport: { width: 1040, height: 1200 } });
  await button(page, "latency", "P99.9").click();
  await page.mouse.move(0, 0);
  await settle(page);
  const { y, height } = await page.locator(chart("latency")).boundingBox();
  await page.screenshot({ path: file("report.png"), clip: { x: 0, y: 0, width: 1040, height: Math.ceil(y + height + 8) } });
  assert.ok(statSync(file("report.png")).size < 200_000);
  await close();
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
