// Planes of the chest, axial as they were sent or coronal, with the nodules that reach into each circled.
import { $, figure, t } from "./live.js";

const AHEAD = 3; // planes that are fetched on either side
const KEPT = 60;
const NEAR_PX = 24; // a nodule is meant by a click that is nearer
const COLOURS = { nodule: "#ffbe3c", mass: "#ff5050", fresh: "#5fe0ff", picked: "#ffffff", under: "rgba(0, 0, 0, 0.6)", cut: "rgba(156, 199, 240, 0.55)" };

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const less = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export class Slices {
  // held: the element around it; told: geometry of the planes; nodules: as lungs.js places them;
  // hooks: chosen(index of a nodule), looked(place in mm, view) and moved(), all told by a hand
  constructor(held, told, nodules, hooks) {
    Object.assign(this, { held, told, nodules, hooks });
    this.canvas = $("canvas", held);
    this.pen = this.canvas.getContext("2d");
    this.range = $("input", held);
    this.said = $(".said", held);
    this.soft = false;
    this.awake = false;
    this.picked = -1;
    this.other = null;
    this.pictures = new Map();
    this.across = cross(told.row, told.column);
    this.heights = told.slices.map(([, place]) => dot(place, this.across));
    const steps = this.heights.slice(1).map((height, k) => Math.abs(height - this.heights[k]));
    this.half = (steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1) / 2;
    this.range.max = told.slices.length;
    [this.canvas.width, this.canvas.height] = [told.columns * 2, Math.round((told.rows * 2 * told.spacing_mm[0]) / told.spacing_mm[1])];
    this.hands();
    this.show(this.fullest());
  }

  // Pictures are fetched from now on.
  wake() {
    this.awake = true;
    this.draw();
  }

  fullest() {
    const counts = this.heights.map((_, at) => this.inSlice(at).length);
    const most = Math.max(...counts);
    return most ? counts.indexOf(most) : Math.floor(this.heights.length / 2);
  }

  inSlice(at) {
    return this.nodules.filter((one) => {
      const off = Math.abs(dot([one.x, one.y, one.z], this.across) - this.heights[at]);
      return off <= Math.max(one.diameter / 2, this.half);
    });
  }

  choose(index) {
    this.picked = index;
    const one = this.nodules[index];
    this.lookAt([one.x, one.y, one.z]);
  }

  lookAt(place) {
    const height = dot(place, this.across);
    const off = this.heights.map((each) => Math.abs(each - height));
    this.show(off.indexOf(Math.min(...off)));
  }

  step(by) {
    this.show(this.at + by);
  }

  changeWindow(soft) {
    this.soft = soft;
    this.pictures.clear();
    this.draw();
  }

  // Another view, whose plane cuts this one in a line.
  cut(other) {
    this.other = other;
    this.draw();
  }

  show(at) {
    this.at = Math.min(Math.max(at, 0), this.heights.length - 1);
    this.range.value = this.at + 1;
    const told = t(this.held.id, { at: this.at + 1, count: this.heights.length, mm: figure(this.heights[this.at], 1) });
    const here = this.inSlice(this.at).length;
    const reach = here === 1 ? t("one") : t("some", { count: here });
    this.said.textContent = `${told}; ${reach} ${t("leaf", { keys: this.held.dataset.keys })}`;
    this.range.setAttribute("aria-valuetext", told);
    this.canvas.dataset.at = this.at;
    this.draw();
    this.hooks.moved();
  }

  picture(at) {
    const known = this.pictures.get(at);
    if (known || !this.told.slices[at]) return known;
    const made = new Image();
    made.addEventListener("load", () => at === this.at && this.draw());
    made.addEventListener("error", () => this.pictures.delete(at)); // asked for again when it is wanted again
    made.src = `${this.held.dataset.source}/${this.told.slices[at][0]}?window=${this.soft ? "soft" : "lung"}`;
    this.pictures.set(at, made);
    if (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
    return made;
  }

  draw() {
    if (!this.awake) return;
    const { width, height } = this.canvas;
    const seen = this.picture(this.at);
    if (!seen.complete || !seen.naturalWidth) return; // the one before stays until this one is there
    $(".making", this.held)?.remove();
    this.pen.drawImage(seen, 0, 0, width, height);
    for (const one of this.inSlice(this.at)) this.ring(one);
    this.line();
    this.letters();
    Object.assign(this.canvas.dataset, { drawn: this.at, cut: this.other?.at ?? "", window: this.soft ? "soft" : "lung" });
    for (let k = 1; k <= AHEAD; k += 1) {
      this.picture(this.at + k);
      this.picture(this.at - k);
    }
  }

  onCanvas({ x, y, z }) {
    const off = less([x, y, z], this.told.slices[this.at][1]);
    const column = dot(off, this.told.row) / this.told.spacing_mm[1];
    const row = dot(off, this.told.column) / this.told.spacing_mm[0];
    return [((column + 0.5) * this.canvas.width) / this.told.columns, ((row + 0.5) * this.canvas.height) / this.told.rows];
  }

  inPatient([across, down]) {
    const right = ((across / this.canvas.width) * this.told.columns - 0.5) * this.told.spacing_mm[1];
    const below = ((down / this.canvas.height) * this.told.rows - 0.5) * this.told.spacing_mm[0];
    return this.told.slices[this.at][1].map((part, k) => part + right * this.told.row[k] + below * this.told.column[k]);
  }

  ring(one) {
    const mm = this.canvas.width / (this.told.columns * this.told.spacing_mm[1]);
    const isPicked = this.nodules[this.picked] === one;
    this.pen.beginPath();
    this.pen.arc(...this.onCanvas(one), (one.diameter / 2) * mm + 6, 0, 7);
    for (const [width, hue] of [[isPicked ? 10 : 6, COLOURS.under], [isPicked ? 5 : 2.5, isPicked ? COLOURS.picked : COLOURS[one.kind]]]) {
      this.pen.lineWidth = width;
      this.pen.strokeStyle = hue;
      this.pen.stroke();
    }
  }

  // Where the other view's plane cuts this one: of the canvas' points those at its height.
  line() {
    if (!this.other) return;
    const { width, height } = this.canvas;
    const off = (at) => dot(this.inPatient(at), this.other.across) - this.other.heights[this.other.at];
    const [corner, right, below] = [off([0, 0]), off([width, 0]), off([0, height])];
    const ends = [];
    if (Math.abs(right - corner) > Math.abs(below - corner)) {
      for (const down of [0, height]) {
        const start = off([0, down]);
        ends.push([(-start * width) / (off([width, down]) - start), down]);
      }
    } else {
      for (const across of [0, width]) {
        const start = off([across, 0]);
        ends.push([across, (-start * height) / (off([across, height]) - start)]);
      }
    }
    this.pen.beginPath();
    this.pen.moveTo(...ends[0]);
    this.pen.lineTo(...ends[1]);
    this.pen.lineWidth = width / 700;
    this.pen.strokeStyle = COLOURS.cut;
    this.pen.stroke();
  }

  letters() {
    const { width, height } = this.canvas;
    const letter = (way) => {
      const most = way.map(Math.abs).indexOf(Math.max(...way.map(Math.abs)));
      return [["L", "R"], ["P", "A"], ["H", "F"]][most][way[most] > 0 ? 0 : 1];
    };
    const back = (way) => way.map((part) => -part);
    this.pen.font = `600 ${Math.round(width / 28)}px system-ui, sans-serif`;
    this.pen.fillStyle = "#ffffff";
    this.pen.textAlign = "center";
    this.pen.textBaseline = "middle";
    this.pen.strokeStyle = "#000000";
    this.pen.lineWidth = width / 150;
    const off = width / 26;
    const ends = [
      [this.told.row, width - off, height / 2],
      [back(this.told.row), off, height / 2],
      [this.told.column, width / 2, height - off],
      [back(this.told.column), width / 2, off],
    ];
    for (const [way, x, y] of ends) {
      this.pen.strokeText(letter(way), x, y);
      this.pen.fillText(letter(way), x, y);
    }
  }

  hands() {
    this.range.addEventListener("input", () => this.show(Number(this.range.value) - 1));
    this.canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== this.canvas) return; // scrolling by is not leafing
      event.preventDefault();
      this.step(event.deltaY > 0 ? -1 : 1);
    }, { passive: false });
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    this.canvas.addEventListener("keydown", (event) => {
      if (!steps[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      this.step(steps[event.key]);
    });
    this.canvas.addEventListener("click", (event) => {
      this.canvas.focus();
      const box = this.canvas.getBoundingClientRect();
      const dense = this.canvas.width / box.width;
      const at = [(event.clientX - box.left) * dense, (event.clientY - box.top) * dense];
      const near = this.inSlice(this.at)
        .map((one) => [Math.hypot(...this.onCanvas(one).map((v, k) => v - at[k])), one])
        .sort((a, b) => a[0] - b[0])[0];
      if (near && near[0] < NEAR_PX * dense) this.hooks.chosen(this.nodules.indexOf(near[1]));
      else this.hooks.looked(this.inPatient(at), this);
    });
  }
}
