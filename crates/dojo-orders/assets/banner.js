// What is wrong: what this service lacks, which log stands still, what an instance can't do, and which rule is broken.
import { byId } from "./dom.js";
import { onInterrupted, reload } from "./stream.js";

const LOOK_EVERY_MS = 3000;

let causes = [];

async function look() {
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    if (response.ok && document.body.dataset.ready !== "true") return reload();
    const answer = await response.json();
    causes = response.ok ? answer.notices ?? [] : answer.errors.map((e) => e.message);
  } catch {
    causes = ["the order service does not answer"];
  }
  showBanner();
}

export function showBanner() {
  const errors = [...byId("instances").querySelectorAll("[data-error]")].map((rule) => rule.dataset.error);
  for (const card of byId("instances").children) errors.push(card.dataset.limitation ?? "");
  const shown = [...new Set([...causes, ...errors])].filter((text) => text !== "");
  const banner = byId("banner");
  if (banner.shown === shown.join("\n")) return;
  banner.shown = shown.join("\n");
  banner.hidden = shown.length === 0;
  banner.firstElementChild.replaceChildren(...shown.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

onInterrupted(look);
look();
setInterval(look, LOOK_EVERY_MS);
