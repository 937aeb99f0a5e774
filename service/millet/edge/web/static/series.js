// One series: its nodules in the table, in the slices and all around are the same ones, and one is chosen.
import { $, follow, keys } from "./live.js";
import { Lungs } from "./lungs.js";
import { Slices } from "./slices.js";
import { Table } from "./table.js";

let found = null;
let lungs = null;
let table = null;
let slices = null;
let chosen = -1;

async function open() {
  const held = document.getElementById("nodules");
  if (!held) return;
  const answer = await fetch(held.dataset.source, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return; // the first part of the table stands in the page, the next ones are links
  found = await answer.json();
  table = new Table(held, found.nodules, choose);
  $(".parts")?.remove();
  const canvas = document.getElementById("lungs");
  canvas.closest("section").hidden = false;
  lungs = new Lungs(canvas, document.getElementById("seen-from"), found, choose);
  $("#turn").addEventListener("click", () => lungs.turnByItself());
  $("#front").addEventListener("click", () => lungs.front());
  await openSlices();
  document.body.dataset.ready = "1";
}

// Where the instances are no longer there, the projections stay.
async function openSlices() {
  const around = document.getElementById("slices");
  const answer = await fetch(`${around.dataset.source}.json`, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return;
  around.hidden = false;
  slices = new Slices(around, await answer.json(), lungs.nodules, choose);
}

function choose(index) {
  chosen = index;
  table?.choose(index);
  lungs?.choose(index);
  slices?.choose(index);
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
  u: () => location.assign("/"),
  ".": () => slices?.step(1),
  ",": () => slices?.step(-1),
  w: () => slices?.changeWindow(),
  t: () => lungs?.turnByItself(),
  0: () => lungs?.front(),
  "+": () => lungs?.nearer(1.15),
  "-": () => lungs?.nearer(1 / 1.15),
});

follow({
  changed: (address) => address === location.pathname,
  loaded: () => {
    lungs?.stop();
    slices = null;
    chosen = -1;
    open();
  },
});
open();
