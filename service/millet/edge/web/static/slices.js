// The slices as they were sent, with the nodules that reach into each circled where they lie.
import { $ } from "./live.js";

const AHEAD = 3; // slices that are fetched on either side
const KEPT = 60;
const COLOURS = { nodule: "#ffbe3c", mass: "#ff5050", fresh: "#5fe0ff", picked: "#ffffff" };

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const less = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export class Slices {
  // held: the element around it; told: geometry of the slices; nodules: as lungs.js places them
  constructor(held, told, nodules, chosen) {
    Object.assign(this, { held, told, nodules, chosen });
    this.canvas = $("canvas", held);
    this.pen = this.canvas.getContext("2d");
    this.range = $("input", held);
    this.said = $("#slice-said", held);
    this.soft = false;
    this.picked = -1;
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
    const height = dot([one.x, one.y, one.z], this.across);
    const off = this.heights.map((each) => Math.abs(each - height));
    this.show(off.indexOf(Math.min(...off)));
  }

  step(by) {
    this.show(this.at + by);
  }

  changeWindow() {
    this.soft = !this.soft;
    $("#window", this.held).setAttribute("aria-pressed", this.soft);
    this.pictures.clear();
    this.show(this.at);
  }

  show(at) {
    this.at = Math.min(Math.max(at, 0), this.heights.length - 1);
    this.range.value = this.at + 1;
    const told = `Slice ${this.at + 1} of ${this.heights.length}, ${this.heights[this.at].toFixed(1)} mm`;
    const here = this.inSlice(this.at).length;
    this.said.textContent = `${told}; ${here === 1 ? "1 nodule reaches" : `${here} nodules reach`} into it. Wheel or , and . leaf through.`;
    this.range.setAttribute("aria-valuetext", told);
    this.canvas.dataset.at = this.at;
    this.draw();
    for (let k = 1; k <= AHEAD; k += 1) {
      this.picture(this.at + k);
      this.picture(this.at - k);
    }
  }

  picture(at) {
    const known = this.pictures.get(at);
    if (known || !this.told.slices[at]) return known;
    const made = new Image();
    made.addEventListener("load", () => at === this.at && this.draw());
    made.src = `${this.held.dataset.source}/${this.told.slices[at][0]}?window=${this.soft ? "soft" : "lung"}`;
    this.pictures.set(at, made);
    if (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
    return made;
  }

  draw() {
    const { width, height } = this.canvas;
    const seen = this.picture(this.at);
    if (!seen.complete || !seen.naturalWidth) return; // the slice before stays until this one is there
    this.pen.drawImage(seen, 0, 0, width, height);
    this.canvas.dataset.drawn = this.at;
    for (const one of this.inSlice(this.at)) this.ring(one);
    this.letters();
  }

  onCanvas(one) {
    const off = less([one.x, one.y, one.z], this.told.slices[this.at][1]);
    const column = dot(off, this.told.row) / this.told.spacing_mm[1];
    const row = dot(off, this.told.column) / this.told.spacing_mm[0];
    return [((column + 0.5) * this.canvas.width) / this.told.columns, ((row + 0.5) * this.canvas.height) / this.told.rows];
  }

  ring(one) {
    const mm = this.canvas.width / (this.told.columns * this.told.spacing_mm[1]);
    const isPicked = this.nodules[this.picked] === one;
    this.pen.beginPath();
    this.pen.arc(...this.onCanvas(one), (one.diameter / 2) * mm + 6, 0, 7);
    this.pen.lineWidth = isPicked ? 5 : 2.5;
    this.pen.strokeStyle = isPicked ? COLOURS.picked : COLOURS[one.kind];
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
    $("#window", this.held).addEventListener("click", () => this.changeWindow());
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
      if (near && near[0] < 24 * dense) this.chosen(this.nodules.indexOf(near[1]));
    });
  }
}
