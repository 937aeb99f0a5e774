// All nodules of a series in one table, however many: only the rows that are seen are there.
import { figure, make, t } from "./live.js";

const ROW_PX = 29;
const SPARE = 10;
const COLUMNS = [
  ["number", (v) => v],
  ["where", (v) => v],
  ["class", (v) => t(`class.${v}`)],
  ["type", (v) => v && t(`type.${v}`)],
  ["diameter_mm", (v) => figure(v, 1)],
  ["volume_mm3", (v) => figure(v, 1)],
  ["mean_hu", (v) => figure(v, 0)],
  ["score", (v) => figure(v, 2)],
  ["fate", (v) => v && t(`fate.${v}`)],
  ["x_mm", (v) => figure(v, 1)],
  ["y_mm", (v) => figure(v, 1)],
  ["z_mm", (v) => figure(v, 1)],
];

export class Table {
  // held: the element that scrolls; nodules: columns; chosen: told the index of the nodule that is clicked
  constructor(held, nodules, chosen) {
    this.held = held;
    this.nodules = nodules;
    this.order = nodules.number.map((_, index) => index);
    this.picked = -1;
    this.sorted = ["number", 1];
    this.body = held.querySelector("tbody");
    this.heads = [...held.querySelectorAll("thead th")];
    this.heads.forEach((head, at) => {
      const button = make("button", { type: "button", text: head.textContent });
      button.addEventListener("click", () => this.sort(COLUMNS[at][0]));
      head.replaceChildren(button);
    });
    held.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(held);
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-index]");
      if (row) chosen(Number(row.dataset.index));
    });
    this.sort("number", 1);
  }

  sort(column, way = this.sorted[0] === column ? -this.sorted[1] : 1) {
    const values = this.nodules[column];
    this.sorted = [column, way];
    this.order.sort((one, other) => {
      const [a, b] = [values[one], values[other]];
      return (a < b ? -way : a > b ? way : 0) || one - other;
    });
    this.heads.forEach((head, at) => {
      if (COLUMNS[at][0] === column) head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    this.from = this.upto = -1;
    this.draw();
  }

  beside(index, step) {
    const at = this.order.indexOf(index);
    return this.order[Math.min(Math.max(at < 0 ? 0 : at + step, 0), this.order.length - 1)];
  }

  choose(index) {
    this.picked = index;
    const at = this.order.indexOf(index) * ROW_PX;
    const seen = this.held.clientHeight - ROW_PX - 12; // the head covers the first row
    if (at < this.held.scrollTop) this.held.scrollTop = at;
    else if (at > this.held.scrollTop + seen - ROW_PX) this.held.scrollTop = at - seen + ROW_PX;
    this.from = this.upto = -1;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.held.scrollTop / ROW_PX) - SPARE);
    const shown = Math.ceil((this.held.clientHeight || 700) / ROW_PX) + 2 * SPARE;
    const last = Math.min(this.order.length, first + shown);
    if (first === this.from && last === this.upto) return;
    [this.from, this.upto] = [first, last];
    this.body.replaceChildren(
      this.gap(first),
      ...this.order.slice(first, last).map((index, at) => this.row(index, first + at)),
      this.gap(this.order.length - last),
    );
  }

  gap(rows) {
    const row = make("tr", { "aria-hidden": "true", class: "gap" }, make("td", { colspan: COLUMNS.length }));
    row.style.height = `${rows * ROW_PX}px`;
    row.hidden = !rows;
    return row;
  }

  row(index, at) {
    const cells = COLUMNS.map(([name, shown]) => make("td", { text: shown(this.nodules[name][index]) }));
    const row = make("tr", { "data-index": index, "aria-rowindex": at + 2 }, ...cells);
    if (index === this.picked) {
      row.className = "picked";
      row.setAttribute("aria-current", "true");
    }
    return row;
  }
}
