// Every page: what is told as it happens, what stands across its top, keys, times, and asking for a person.
// Nothing is asked for again and again: the server tells when there is something to load.

const STALE_MS = 25000; // the server says something every ten seconds
const LOST_MS = 4000; // a stream ends now and then, and is there again at once
const RENEW_MS = 600000; // where two releases answer at one address, a page does not change between them for ever
const RENEWED = "millet-renewed";
const PLACE = "millet-place";

const body = document.body;
const line = document.getElementById("line");
const top = document.getElementById("alarms");
const asked = document.getElementById("asked");
const newer = document.getElementById("newer");
const hinted = document.getElementById("hint");
const keysDialog = document.getElementById("keys");
let revision = Number(body.dataset.revision);
let heard = Date.now();
let lostAt = 0;
let source = null;
let loading = false;
let wanted = false;
let timer = 0;
const page = { changed: () => true, loaded: () => {} };

const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang;

// What is said under a key; a code that has no words stands for itself.
export const t = (key, parts = {}) => Object.entries(parts).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words[key] ?? key.slice(key.indexOf(".") + 1));

export const figure = (value, digits) => (language === "de" ? value.toFixed(digits).replace(".", ",") : value.toFixed(digits));

export const $ = (selector, within = document) => within.querySelector(selector);

export function make(name, facts = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// --- the line to the server ---------------------------------------------------------------------------

export function follow(hooks) {
  Object.assign(page, hooks);
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hangUp();
    else if (!source) listen();
  });
  window.addEventListener("pagehide", hangUp);
  window.addEventListener("pageshow", (event) => event.persisted && load());
  setInterval(watch, 1000);
}

function listen() {
  heard = Date.now();
  source = new EventSource("/events");
  source.addEventListener("worklist", (event) => hear(JSON.parse(event.data)));
  source.addEventListener("release", (event) => event.data === body.dataset.release || renew());
  source.onerror = () => {
    lostAt ||= Date.now();
    if (source && source.readyState === EventSource.CLOSED) {
      hangUp(); // the browser gives up where an answer was refused; we do not
      load(); // and see whether somebody has to sign in again
      setTimeout(() => source || document.hidden || listen(), LOST_MS / 2);
    }
  };
}

function hangUp() {
  if (source) source.close(); // a browser has few connections to a server: a hidden page keeps none
  source = null;
}

function hear(told) {
  const away = lostAt && Date.now() - lostAt > LOST_MS;
  heard = Date.now();
  lostAt = 0;
  alarm(told.alarms);
  if (told.alarms.some(([kind]) => kind === "away")) return;
  if (told.revision !== revision) {
    const missed = told.after !== revision;
    revision = told.revision;
    if (missed || told.changed.map((one) => page.changed(...one)).some(Boolean)) load();
  }
  if (away || body.dataset.state === "stale") load();
  say("live", t("live"));
}

function watch() {
  if (document.hidden) return;
  if (lostAt && Date.now() - lostAt > LOST_MS) {
    say("lost", t("lost", { clock: clock(new Date(lostAt)) }));
  } else if (Date.now() - heard > STALE_MS) {
    say("stale", t("stale", { clock: clock(new Date(heard)) }));
  }
}

function say(state, words) {
  if (body.dataset.state === state) return;
  body.dataset.state = state;
  line.setAttribute("role", "status");
  line.textContent = words;
}

function alarm(told) {
  const wantedText = told.map(([, text]) => text).join("\n");
  if (top.dataset.told === wantedText) return;
  top.dataset.told = wantedText;
  top.replaceChildren(
    ...told.map(([kind, text, address]) => {
      const parts = [make("strong", { text })];
      if (address) parts.push(" ", make("a", { href: address, text: t("show") }));
      return make("p", { class: `alarm ${kind}` }, ...parts);
    }),
  );
}

// --- loading the page anew ----------------------------------------------------------------------------

export function load() {
  if (timer || document.hidden) return;
  timer = setTimeout(fetchPage, 200 + Math.random() * 200); // of many changes one, and not all pages at once
}

async function fetchPage() {
  timer = 0;
  if (loading) {
    wanted = true;
    return;
  }
  loading = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.status === 401) location.reload(); // the form comes, and leads back
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok || answer.status === 404) swap(fresh);
  } catch {
    lostAt ||= Date.now();
  } finally {
    loading = false;
    if (wanted) {
      wanted = false;
      load();
    }
  }
}

function swap(fresh) {
  const now = $("main");
  const next = $("main", fresh);
  revision = Math.max(revision, Number(fresh.body.dataset.revision));
  if (!next || page.replace?.(now, next)) return;
  const place = placeOf(document.activeElement);
  const typed = $("input[type=search]", now)?.value;
  now.replaceWith(next);
  document.title = fresh.title;
  const search = $("input[type=search]", next);
  if (search && typed !== undefined) search.value = typed;
  if (place) $(place, next)?.focus({ preventScroll: true });
  times(next);
  page.loaded(next);
}

// --- another release of the service: its scripts come with the page ------------------------------------

// What is being typed or asked is not taken away: then a person says when.
function renew() {
  const typed = [...document.querySelectorAll("input:not([type=range], [type=checkbox]), textarea")].some((one) => one.value !== one.defaultValue);
  const renewed = Date.now() - Number(sessionStorage.getItem(RENEWED)) < RENEW_MS;
  if (!typed && !renewed && !$("dialog[open]")) anew();
  else if (!newer.hasChildNodes()) {
    const button = make("button", { type: "button", text: t("newer.load") });
    button.addEventListener("click", anew);
    newer.append(make("p", { class: "alarm behind" }, make("strong", { text: t("newer") }), " ", button));
  }
}

function anew() {
  sessionStorage.setItem(RENEWED, Date.now());
  sessionStorage.setItem(PLACE, placeOf(document.activeElement));
  location.reload();
}

function backToPlace() {
  const place = sessionStorage.getItem(PLACE);
  sessionStorage.removeItem(PLACE);
  if (place) $(place)?.focus({ preventScroll: true });
}

function placeOf(element) {
  const row = element?.closest("tr[data-series]");
  if (row) return `tr[data-series="${CSS.escape(row.dataset.series)}"] a.open`;
  if (element?.name) return `[name="${CSS.escape(element.name)}"]`;
  return element?.id ? `#${CSS.escape(element.id)}` : "";
}

// --- what a key came to, said once ----------------------------------------------------------------------

export function hint(text) {
  hinted.textContent = text;
}

document.addEventListener("focusin", () => hint(""));

// --- times in the reader's own zone -------------------------------------------------------------------

const two = (number) => String(number).padStart(2, "0");
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

function local(date) {
  const parts = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())];
  const day = language === "de" ? parts.reverse().join(".") : parts.join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function lasting(ms) {
  const minutes = Math.floor(Math.max(ms, 0) / 60000);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days) return days < 10 ? `${days} d ${hours % 24} h` : `${days} d`;
  return hours ? `${hours} h ${two(minutes % 60)} min` : `${minutes} min`;
}

function times(within) {
  for (const one of within.querySelectorAll("time:not(.since)")) {
    one.title ||= one.textContent;
    one.textContent = local(new Date(one.dateTime));
  }
  for (const one of within.querySelectorAll("time.since")) {
    one.dataset.at = Date.now() - parsed(one.textContent); // by the service's clock, not by this machine's
  }
}

function ageing() {
  for (const one of document.querySelectorAll("time.since")) {
    one.textContent = lasting(Date.now() - Number(one.dataset.at));
  }
}

function parsed(text) {
  const unit = { d: 86400000, h: 3600000, min: 60000 };
  return [...text.matchAll(/(\d+) (d|h|min)/g)].reduce((sum, [, n, u]) => sum + Number(n) * unit[u], 0);
}

// --- keys ---------------------------------------------------------------------------------------------

const KEYS_OFF = "millet-keys-off";
const handlers = { "?": () => keysDialog?.showModal() };

export function keys(more) {
  Object.assign(handlers, more);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  const typing = event.target.matches("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") $("a.open")?.focus();
    return;
  }
  if (event.key.length === 1 && localStorage.getItem(KEYS_OFF)) return;
  const handler = handlers[event.key];
  if (handler && handler(event) !== false) event.preventDefault();
});

const help = document.getElementById("help");
if (keysDialog) {
  help.hidden = false;
  help.addEventListener("click", () => keysDialog.showModal());
  const on = document.getElementById("keys-on");
  on.checked = !localStorage.getItem(KEYS_OFF);
  on.addEventListener("change", () =>
    on.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1"),
  );
}

// --- acknowledging: the page of the form, as a dialog -------------------------------------------------

export async function acknowledge(link) {
  if (!link || !asked) return;
  const answer = await fetch(link.href, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) {
    location.assign(link.href);
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = $("form.acknowledge", fresh);
  const cancel = make("button", { type: "button", text: t("cancel") });
  cancel.addEventListener("click", () => asked.close());
  $(".actions", form).append(cancel);
  asked.replaceChildren(make("h2", { text: t("acknowledge") }), form);
  asked.showModal();
  ($("input[name=by]", form) ?? $("button.primary", form)).focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.acknowledge");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  acknowledge(link);
});

times(document);
backToPlace();
setInterval(ageing, 15000);
if (!document.getElementById("keys")) follow({ changed: () => false });
