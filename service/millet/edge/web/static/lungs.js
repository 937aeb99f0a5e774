// The lungs as a net of the points that were kept of their surface, every nodule in them, turned by hand.
// Patient millimetres throughout (LPS): x to the patient's left, y to the back, z to the head.
import { t } from "./live.js";

const NEIGHBOURS = 6;
const SHADES = 6;
const FAR = 4; // distance of the eye in radii of the exam
const TURN_MS = 14000; // once around
const COLOURS = { nodule: "#ffbe3c", mass: "#ff5050", fresh: "#5fe0ff", picked: "#ffffff" };
const FRESH = new Set(["new", "grown"]);

export class Lungs {
  // words: where is said from where it is seen; chosen: told the index of a nodule that is clicked
  constructor(canvas, words, found, chosen) {
    Object.assign(this, { canvas, words, chosen });
    this.pen = canvas.getContext("2d");
    this.picked = -1;
    this.turning = 0;
    this.asked = 0;
    this.nodules = places(found.nodules);
    this.points = (found.lungs?.points_mm ?? []).map(([x, y, z], k) => ({
      x, y, z, out: found.lungs.outward[k], side: found.lungs.side[k],
    }));
    this.edges = net(this.points);
    this.centre();
    this.sprites = Object.fromEntries(Object.entries(COLOURS).map(([kind, hue]) => [kind, ball(hue)]));
    this.front();
    this.hands();
    this.sized = new ResizeObserver(() => this.fit());
    this.sized.observe(canvas);
  }

  stop() {
    this.sized.disconnect();
    cancelAnimationFrame(this.turning);
  }

  choose(index) {
    this.picked = index;
    this.redraw();
  }

  front() {
    this.halt();
    [this.round, this.tilt, this.zoom] = [0, 0.12, 1];
    this.redraw();
  }

  nearer(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 6);
    this.redraw();
  }

  turnBy(round, tilt) {
    this.round += round;
    this.tilt = Math.min(Math.max(this.tilt + tilt, -1.4), 1.4);
    this.redraw();
  }

  turnByItself() {
    if (this.turning) {
      this.halt();
      return;
    }
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.turnBy(Math.PI / 6, 0); // a step instead of a motion
      return;
    }
    let before = performance.now();
    const step = (now) => {
      this.turnBy(((now - before) / TURN_MS) * 2 * Math.PI, 0);
      before = now;
      this.turning = requestAnimationFrame(step);
    };
    this.turning = requestAnimationFrame(step);
  }

  halt() {
    cancelAnimationFrame(this.turning);
    this.turning = 0;
  }

  // --- what is where ---

  centre() {
    const all = [...this.points, ...this.nodules];
    const middle = (name) => {
      const values = all.map((one) => one[name]);
      return all.length ? (Math.min(...values) + Math.max(...values)) / 2 : 0;
    };
    this.middle = { x: middle("x"), y: middle("y"), z: middle("z") };
    const away = all.map((one) => Math.hypot(...["x", "y", "z"].map((n) => one[n] - this.middle[n])));
    this.radius = Math.max(60, ...away);
  }

  fit() {
    const dense = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(this.canvas.clientWidth * dense);
    const height = Math.round(this.canvas.clientHeight * dense);
    if (!width || (width === this.canvas.width && height === this.canvas.height)) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.redraw();
  }

  // Where a point stands on the canvas, how deep behind it, and how many pixels a millimetre is there.
  seen({ x, y, z }) {
    const [dx, dy, dz] = [x - this.middle.x, y - this.middle.y, z - this.middle.z];
    const [ca, sa, cb, sb] = this.angles;
    const across = dx * ca + dy * sa;
    const away = dy * ca - dx * sa;
    const deep = away * cb - dz * sb;
    const up = dz * cb + away * sb;
    const scale = (this.scale * FAR) / (FAR + deep / this.radius);
    return { across: this.canvas.width / 2 + across * scale, down: this.canvas.height / 2 - up * scale, deep, scale };
  }

  facing([x, y, z]) {
    const [ca, sa, cb, sb] = this.angles;
    return Math.abs((y * ca - x * sa) * cb - z * sb);
  }

  // --- drawing ---

  redraw() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    const { width, height } = this.canvas;
    this.angles = [Math.cos(this.round), Math.sin(this.round), Math.cos(this.tilt), Math.sin(this.tilt)];
    this.scale = ((Math.min(width, height) * 0.46) / this.radius) * this.zoom;
    this.pen.clearRect(0, 0, width, height);
    this.drawNet();
    this.drawNodules();
    this.drawLetters();
    this.canvas.dataset.round = this.round.toFixed(3);
    const words = side(this.round, this.tilt);
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  drawNet() {
    const at = this.points.map((one) => this.seen(one));
    const shades = Array.from({ length: SHADES }, () => new Path2D());
    for (const [one, other] of this.edges) {
      const rim = 1 - (this.facing(this.points[one].out) + this.facing(this.points[other].out)) / 2;
      const behind = 0.5 + 0.5 * Math.max(-1, Math.min(1, (at[one].deep + at[other].deep) / (2 * this.radius)));
      const strength = (0.1 + 0.9 * rim * rim) * (1 - 0.65 * behind);
      const path = shades[Math.min(SHADES - 1, Math.floor(strength * SHADES))];
      path.moveTo(at[one].across, at[one].down);
      path.lineTo(at[other].across, at[other].down);
    }
    this.pen.lineWidth = Math.max(1, this.canvas.width / 900);
    shades.forEach((path, shade) => {
      this.pen.strokeStyle = `rgba(150, 190, 225, ${0.06 + (0.6 * shade) / SHADES})`;
      this.pen.stroke(path);
    });
  }

  drawNodules() {
    this.drawn = this.nodules.map((one, index) => ({ ...this.seen(one), one, index }));
    const order = [...this.drawn].sort((a, b) => b.deep - a.deep);
    for (const { across, down, deep, scale, one } of order) {
      const size = 2 * Math.max((one.diameter / 2) * scale, this.canvas.width / 320);
      this.pen.globalAlpha = Math.min(1, 0.95 - 0.4 * (deep / this.radius));
      this.pen.drawImage(this.sprites[one.kind], across - size / 2, down - size / 2, size, size);
    }
    this.pen.globalAlpha = 1;
    const picked = this.drawn[this.picked];
    if (!picked) return;
    const radius = Math.max((picked.one.diameter / 2) * picked.scale, 3) + this.canvas.width / 110;
    this.pen.strokeStyle = COLOURS.picked;
    this.pen.lineWidth = Math.max(2, this.canvas.width / 320);
    this.pen.beginPath();
    this.pen.arc(picked.across, picked.down, radius, 0, 7);
    this.pen.stroke();
  }

  drawLetters() {
    const reach = this.radius * 1.02;
    const { x, y, z } = this.middle;
    const ends = { L: [reach, 0, 0], R: [-reach, 0, 0], P: [0, reach, 0], A: [0, -reach, 0], H: [0, 0, reach], F: [0, 0, -reach] };
    this.pen.font = `600 ${Math.max(13, Math.round(this.canvas.width / 42))}px system-ui, sans-serif`;
    this.pen.textAlign = "center";
    this.pen.textBaseline = "middle";
    for (const [letter, [dx, dy, dz]] of Object.entries(ends)) {
      const at = this.seen({ x: x + dx, y: y + dy, z: z + dz });
      const off = Math.hypot(at.across - this.canvas.width / 2, at.down - this.canvas.height / 2);
      if (off < this.canvas.width / 6) continue; // one that points at the eye says nothing
      const inside = (value, most) => Math.min(Math.max(value, 16), most - 16);
      this.pen.fillStyle = "#aebccb";
      this.pen.fillText(letter, inside(at.across, this.canvas.width), inside(at.down, this.canvas.height));
    }
  }

  // --- hands ---

  hands() {
    const { canvas } = this;
    let from = null;
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      from = event;
      moved = 0;
      canvas.setPointerCapture(event.pointerId);
      this.halt();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [right, down] = [event.clientX - from.clientX, event.clientY - from.clientY];
      moved += Math.abs(right) + Math.abs(down);
      this.turnBy(-right / 150, down / 150);
      from = event;
    });
    canvas.addEventListener("pointerup", (event) => {
      from = null;
      if (moved < 4) this.pick(event);
    });
    canvas.addEventListener("pointercancel", () => (from = null));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // scrolling by is not zooming
      event.preventDefault();
      this.nearer(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { passive: false });
    const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    canvas.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.halt();
      this.turnBy(...step);
    });
  }

  pick(event) {
    const box = this.canvas.getBoundingClientRect();
    const dense = this.canvas.width / box.width;
    const [across, down] = [(event.clientX - box.left) * dense, (event.clientY - box.top) * dense];
    const near = this.drawn
      .map((one) => ({ ...one, off: Math.hypot(one.across - across, one.down - down) }))
      .filter((one) => one.off < Math.max((one.one.diameter / 2) * one.scale, 10 * dense));
    near.sort((a, b) => a.off - b.off || a.deep - b.deep);
    if (near.length) this.chosen(near[0].index);
  }
}

function places(columns) {
  return columns.number.map((_, k) => ({
    x: columns.x_mm[k],
    y: columns.y_mm[k],
    z: columns.z_mm[k],
    diameter: columns.diameter_mm[k],
    kind: FRESH.has(columns.fate[k]) ? "fresh" : columns.class[k] === "mass" ? "mass" : "nodule",
  }));
}

// Each point with its nearest ones of the same lung whose surface looks the same way.
function net(points) {
  const edges = new Map();
  points.forEach((one, at) => {
    const near = [];
    points.forEach((other, to) => {
      if (to === at || other.side !== one.side) return;
      const alike = one.out[0] * other.out[0] + one.out[1] * other.out[1] + one.out[2] * other.out[2];
      if (alike < 0) return;
      near.push([(one.x - other.x) ** 2 + (one.y - other.y) ** 2 + (one.z - other.z) ** 2, to]);
    });
    near.sort((a, b) => a[0] - b[0]);
    for (const [, to] of near.slice(0, NEIGHBOURS)) edges.set(Math.min(at, to) * points.length + Math.max(at, to), [at, to]);
  });
  return [...edges.values()];
}

// A ball that is lit from above, drawn once and stamped for each nodule.
function ball(hue) {
  const size = 64;
  const drawn = document.createElement("canvas");
  [drawn.width, drawn.height] = [size, size];
  const pen = drawn.getContext("2d");
  const light = pen.createRadialGradient(size * 0.4, size * 0.34, 2, size / 2, size / 2, size / 2);
  light.addColorStop(0, "#ffffff");
  light.addColorStop(0.25, hue);
  light.addColorStop(0.92, hue);
  light.addColorStop(1, "rgba(0, 0, 0, 0)");
  pen.fillStyle = light;
  pen.beginPath();
  pen.arc(size / 2, size / 2, size / 2, 0, 7);
  pen.fill();
  return drawn;
}

// From where it is seen, in words.
function side(round, tilt) {
  if (tilt > 1) return t("above");
  if (tilt < -1) return t("below");
  return t(`side.${((Math.round(round / (Math.PI / 4)) % 8) + 8) % 8}`);
}
