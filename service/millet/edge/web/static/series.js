// One series: its nodules in the table, in the slices and all around are the same ones, and one is chosen.
import { $, acknowledge, follow, keys } from "./live.js";
import { Lungs } from "./lungs.js";
import { Slices } from "./slices.js";
import { Table } from "./table.js";

let found = null;
let lungs = null;
let table = null;
let views = [];
let chosen = -1;

async function open() {
  const held = document.getElementById("nodules");
  if (held && !(await openNodules(held))) return; // slices without the circles that belong on them mislead
  if (document.getElementById("axial")) await openSlices();
  document.body.dataset.ready = "1";
}

async function openNodules(held) {
  const answer = await fetch(held.dataset.source, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return false; // the first part of the table stands in the page, the next ones are links
  found = await answer.json();
  table = new Table(held, found.nodules, choose);
  $(".parts")?.remove();
  const canvas = document.getElementById("lungs");
  canvas.closest("section").hidden = false;
  lungs = new Lungs(canvas, document.getElementById("seen-from"), found, choose);
  $("#turn").addEventListener("click", () => lungs.turnByItself());
  $("#front").addEventListener("click", () => lungs.front());
  return true;
}

// Where the instances are no longer there, the projections stay. Coronal planes are made when they are seen.
async function openSlices() {
  const axial = document.getElementById("axial");
  const answer = await fetch(`${axial.dataset.source}.json`, { cache: "no-store" }).catch(() => null);
  if (answer?.status === 410) document.getElementById("removed").hidden = false;
  if (!answer?.ok) return;
  const told = await answer.json();
  const around = document.getElementById("coronal");
  const hooks = { chosen: choose, looked: lookAt, moved };
  const nodules = lungs?.nodules ?? [];
  axial.hidden = around.hidden = false;
  views = [new Slices(axial, told.axial, nodules, hooks), new Slices(around, told.coronal, nodules, hooks)];
  for (const view of views) {
    new IntersectionObserver((seen, observer) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      view.wake();
    }).observe(view.held);
  }
  $("#window", axial).addEventListener("click", changeWindow);
  moved();
}

// A place that is clicked in one view is looked at in the others, and each shows where the others cut it.
function lookAt(place, from) {
  for (const view of views) if (view !== from) view.lookAt(place);
}

function moved() {
  for (const view of views) view.cut(views.find((other) => other !== view));
}

function changeWindow() {
  const button = document.getElementById("window");
  const soft = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", soft);
  for (const view of views) view.changeWindow(soft);
}

function choose(index) {
  chosen = index;
  table?.choose(index);
  lungs?.choose(index);
  for (const view of views) view.choose(index);
}

const walk = (step) => {
  if (!table) return;
  choose(table.beside(chosen, step));
};

keys({
  j: () => walk(1),
  k: () => walk(-1),
  ArrowDown: (event) => (event.target.id === "nodules" ? walk(1) : false),
  ArrowUp: (event) => (event.target.id === "nodules" ? walk(-1) : false),
  a: () => acknowledge($("main a.acknowledge")),
  u: () => location.assign("/"),
  ".": () => views[0]?.step(1),
  ",": () => views[0]?.step(-1),
  b: () => views[1]?.step(1),
  v: () => views[1]?.step(-1),
  w: () => changeWindow(),
  t: () => lungs?.turnByItself(),
  0: () => lungs?.front(),
  "+": () => lungs?.nearer(1.15),
  "-": () => lungs?.nearer(1 / 1.15),
});

follow({
  changed: (address) => address === location.pathname,
  loaded: () => {
    lungs?.stop();
    delete document.body.dataset.ready;
    views = [];
    chosen = -1;
    open();
  },
});
open();
