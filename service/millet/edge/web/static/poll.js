// Replaces the page's main part by a fresh one while something may change. Scrolling and focus stay.
"use strict";

async function poll() {
  const main = document.querySelector("main");
  const waitS = Number(main.dataset.pollS);
  if (!waitS) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.querySelector("main");
    if (next && next.innerHTML !== main.innerHTML) {
      main.replaceWith(next);
      document.title = fresh.title;
    }
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale"); // the service is away: say so, go on asking
  }
  setTimeout(poll, waitS * 1000);
}

setTimeout(poll, 1000);
