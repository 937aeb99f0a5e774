// The worklist: j and k walk, Enter opens, a acknowledges, f filters; rows follow what the server tells.
import { $, acknowledge, follow, hint, keys, t } from "./live.js";

const links = () => [...document.querySelectorAll("main a.open")];
const current = () => document.activeElement?.closest("tr[data-series]");

function walk(step) {
  const all = links();
  const at = all.indexOf(current()?.querySelector("a.open"));
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus();
  next?.closest("tr").scrollIntoView({ block: "nearest" });
}

function turn(rel) {
  const link = $(`a[rel=${rel}]`);
  if (link) location.assign(link.href);
}

keys({
  j: () => walk(1),
  k: () => walk(-1),
  ArrowDown: () => walk(1),
  ArrowUp: () => walk(-1),
  f: () => $("input[type=search]").focus(),
  "/": () => $("input[type=search]").focus(),
  n: () => turn("next"),
  p: () => turn("prev"),
  a: () => (current() ? acknowledge($("a.acknowledge", current())) : hint(t("unchosen"))), // of no row that nobody chose
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".filters select")) event.target.form.requestSubmit();
});

follow({
  // A row that has only come further says so itself; anything else needs the list anew.
  changed(address, place, said) {
    const row = $(`tr[data-series="${CSS.escape(address)}"]`);
    if (!row || row.dataset.place !== place) return true;
    $(".findings", row).textContent = said;
    return false;
  },
});
