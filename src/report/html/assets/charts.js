// What charts have in common: size, colours, zoom, the keyboard, marks told apart by shape and colour.
const CHART_HEIGHT = () => (innerWidth <= 480 ? 260 : 320);

const SHAPES = [
  "M0,-5A5,5 0 1 0 0.01,-5Z", "M-4.5,-4.5H4.5V4.5H-4.5Z", "M0,-6L5.5,4.5H-5.5Z", "M0,-6.2L5.6,0L0,6.2L-5.6,0Z",
  "M-1.7,-6H1.7V-1.7H6V1.7H1.7V6H-1.7V1.7H-6V-1.7H-1.7Z", "M0,6L5.5,-4.5H-5.5Z", "M-6,-2H6V2H-6Z",
];

// A shape as a picture in a button or a text.
function shapeIcon(at, variable) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", "14"); svg.setAttribute("height", "14"); svg.setAttribute("viewBox", "-7 -7 14 14"); svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[at % SHAPES.length]);
  path.setAttribute("fill", `var(${variable})`);
  svg.append(path);
  return svg;
}

function drawShape(context, at, x, y, fill, scale) {
  context.save();
  context.translate(x, y);
  context.scale(scale, scale);
  const path = new Path2D(SHAPES[at % SHAPES.length]);
  context.fillStyle = fill;
  context.strokeStyle = color("--back");
  context.lineWidth = 1;
  context.fill(path);
  context.stroke(path);
  context.restore();
}

// Cividis, which is read alike with and without colour blindness; much stands out from the background.
const RAMP = [[0, 32, 77], [49, 68, 107], [102, 105, 112], [149, 143, 120], [203, 186, 105], [255, 234, 70]];
function ramp(share) {
  const dark = document.documentElement.classList.contains("dark");
  const t = Math.min(1, Math.max(0, dark ? 0.15 + 0.85 * share : 1 - share)) * (RAMP.length - 1);
  const [low, part] = [Math.min(RAMP.length - 2, Math.floor(t)), t - Math.min(RAMP.length - 2, Math.floor(t))];
  return RAMP[low].map((from, channel) => Math.round(from + part * (RAMP[low + 1][channel] - from)));
}

function toggle(label, pressed, change, icon) {
  // What has a mark is a legend, on paper too.
  const button = element("button", { type: "button", class: icon ? "control legend" : "control", "aria-pressed": String(pressed) });
  if (icon) button.append(icon);
  button.append(label);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    change(now);
  });
  return button;
}

function choice(label, options, value, change) {
  const select = element("select", {}, ...options.map(([key, text]) => element("option", { value: key }, text)));
  select.value = String(value);
  select.addEventListener("change", () => change(select.value));
  return element("label", {}, label + " ", select);
}

const axisStyle = () => ({ stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "12px system-ui, sans-serif" });

// Round values of a logarithmic axis: 1, 2, 5 where there is room for them, else powers of ten.
function roundValues(low, high) {
  const decades = Math.log10(high / low);
  const digits = decades < 1.2 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : decades < 2.5 ? [1, 2, 5] : [1];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    values.push(...digits.map((digit) => digit * 10 ** power).filter((value) => value >= low && value <= high));
  }
  return values;
}

// The axis of values: their own unit, round places on either scale.
const valueAxis = (text, log) => ({
  ...axisStyle(), scale: "y", size: 76,
  values: (_, values) => values.map((value) => (value === null ? "" : text(value))),
  ...(log ? { splits: (_, __, low, high) => roundValues(low, high), filter: (_, splits) => splits } : {}),
});

// A chart by uPlot: `options` and `rows` are asked anew whenever colours, scales or data change.
class Chart {
  constructor(name, { options, rows, readout, extent }) {
    this.name = name;
    this.place = document.querySelector(`[data-chart="${name}"]`);
    this.controls = document.querySelector(`[data-controls="${name}"]`);
    this.line = document.querySelector(`[data-readout="${name}"]`);
    Object.assign(this, { options, rows, readout, extent });
    this.zoom = null;
    this.followers = [];
    this.line.textContent = "Drag, or press + and −, to zoom; arrows move the cursor; 0 shows everything.";
    this.place.addEventListener("keydown", (event) => this.key(event));
    page.charts.push(() => this.draw());
    this.draw();
    new ResizeObserver(() => {
      const width = this.place.clientWidth;
      if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: CHART_HEIGHT() });
    }).observe(this.place);
  }

  draw() {
    if (this.plot) this.plot.destroy();
    const zoom = this.zoom;
    const own = this.options();
    const options = {
      width: Math.max(200, this.place.clientWidth), height: CHART_HEIGHT(), legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { size: 7 } }, ...own,
      hooks: {
        ...own.hooks,
        setScale: [(plot, scale) => { if (scale === "x") this.scaled(plot); }],
        setCursor: [(plot) => this.read(plot)],
      },
    };
    this.drawing = true;
    this.plot = new uPlot(options, this.rows(), this.place);
    this.drawing = false;
    if (zoom) this.show(...zoom);
  }

  scaled(plot) {
    if (this.drawing || !this.plot) return;
    const { min, max } = plot.scales.x;
    const [low, high] = this.extent();
    this.zoom = min <= low && max >= high ? null : [min, max];
    for (const other of this.followers) {
      const same = JSON.stringify(other.zoom) === JSON.stringify(this.zoom);
      if (!same) other.show(...(this.zoom ?? other.extent()));
    }
  }

  show(min, max) {
    const [low, high] = this.extent();
    [min, max] = [Math.max(low, min), Math.min(high, max)];
    if (max - min > (high - low) * 1e-5) this.plot.setScale("x", { min, max });
  }

  by(factor) {
    const { min, max } = this.plot.scales.x;
    const middle = this.plot.cursor.left >= 0 ? this.plot.posToVal(this.plot.cursor.left, "x") : (min + max) / 2;
    this.show(middle - (middle - min) * factor, middle + (max - middle) * factor);
  }

  all() { this.show(...this.extent()); }

  read(plot) {
    const { left, top } = plot.cursor;
    if (left === null || left === undefined || left < 0) return;
    const text = this.readout(plot, plot.posToVal(left, "x"), plot.posToVal(top, "y"), plot.cursor.idx);
    if (text) this.line.textContent = text;
  }

  key(event) {
    const { width, height } = this.plot.over.getBoundingClientRect();
    const step = event.shiftKey ? width / 10 : Math.max(1, width / 200);
    const cursor = this.plot.cursor.left >= 0 ? this.plot.cursor.left : width / 2;
    const top = this.plot.cursor.top >= 0 ? this.plot.cursor.top : height / 2;
    const move = (left, down) => this.plot.setCursor({ left: Math.min(width, Math.max(0, left)), top: Math.min(height, Math.max(0, down)) });
    const keys = {
      ArrowLeft: () => move(cursor - step, top), ArrowRight: () => move(cursor + step, top),
      ArrowUp: () => move(cursor, top - height / 40), ArrowDown: () => move(cursor, top + height / 40),
      "+": () => this.by(0.5), "=": () => this.by(0.5), "-": () => this.by(2), 0: () => this.all(), Escape: () => this.all(),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault();
  }

  zoomButtons() {
    const button = (text, does) => element("button", { type: "button", class: "control", onclick: does }, text);
    return [button("Zoom in", () => this.by(0.5)), button("Zoom out", () => this.by(2)), button("Show all", () => this.all())];
  }
}
