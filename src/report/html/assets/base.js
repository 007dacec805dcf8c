"use strict";
// What every page needs: its data, numbers for people, themes, copying of commands.
const page = {
  data: JSON.parse(document.getElementById("data").textContent),
  charts: [], // called when colours or sizes have changed
};

const three = (n) => (n < 9.995 ? n.toFixed(2) : n < 99.95 ? n.toFixed(1) : n.toFixed(0));

function span(ns) {
  if (ns < 0) return "−" + span(-ns);
  if (ns < 1e3) return (Number.isInteger(ns) ? ns : three(ns)) + " ns";
  if (ns < 999500) return three(ns / 1e3) + " us";
  if (ns < 999.5e6) return three(ns / 1e6) + " ms";
  if (ns < 120e9) return three(ns / 1e9) + " s";
  const minutes = Math.round(ns / 60e9);
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  return h === 0 ? m + " min" : m === 0 ? h + " h" : h + " h " + m + " min";
}

function count(n) {
  if (n < 0) return "−" + count(-n);
  if (n < 100 && !Number.isInteger(n)) return three(n);
  if (n < 9999.5) return n.toFixed(0);
  if (n < 999500) return three(n / 1e3) + " k";
  if (n < 999.5e6) return three(n / 1e6) + " M";
  return three(n / 1e9) + " G";
}

function bytes(n) {
  if (n < 0) return "−" + bytes(-n);
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1023.5 && unit + 1 < units.length) { n /= 1024; unit += 1; }
  return unit === 0 ? n + " B" : three(n) + " " + units[unit];
}

// A time of the run: 1:02:05, with parts of seconds where they matter.
function clock(s, digits = 0) {
  const sign = s < 0 ? "−" : "";
  const whole = Math.abs(s).toFixed(digits);
  const seconds = Number(whole);
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = (seconds - 3600 * h - 60 * m).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return sign + (h ? h + ":" + String(m).padStart(2, "0") : m) + ":" + rest;
}

function shown(value, unit) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  switch (unit) {
    case "ns": return span(value);
    case "clock": return clock(value, 3);
    case "s": return value === 0 ? "0 s" : span(value * 1e9);
    case "/s": return count(value) + "/s";
    case "bytes": return bytes(value);
    case "share": return (100 * value).toFixed(2) + " %";
    default: return Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : Math.abs(value) < 0.01 && value !== 0 ? value.toPrecision(3) : count(value);
  }
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Theme: that of the system, or light, or dark; paper is always light.
const themes = ["system", "light", "dark"];
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let theme = "system";
let printing = false;
try { theme = themes.includes(localStorage.getItem("writepath-theme")) ? localStorage.getItem("writepath-theme") : "system"; } catch { /* no storage for this page */ }

function applyTheme() {
  const dark = !printing && (theme === "dark" || (theme === "system" && prefersDark.matches));
  document.documentElement.classList.toggle("dark", dark);
  document.getElementById("theme").textContent = "Theme: " + theme;
  page.charts.forEach((redraw) => redraw());
}

document.getElementById("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try { localStorage.setItem("writepath-theme", theme); } catch { /* the choice is for this view alone */ }
  applyTheme();
});
prefersDark.addEventListener("change", applyTheme);
matchMedia("print").addEventListener("change", (event) => { printing = event.matches; applyTheme(); });
addEventListener("beforeprint", () => { printing = true; applyTheme(); });
addEventListener("afterprint", () => { printing = false; applyTheme(); });
applyTheme();

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
