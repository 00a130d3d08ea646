// The views, and the addresses that open them: `#/orders` opens the orders, and `#/topics/audit?key=…` the topics at one of them.
// `#/orders/{id}` is the journey of an order, which opens over the view that is shown.
const views = new Map([...document.querySelectorAll("[data-view]")].map((view) => [view.dataset.view, view]));
const links = [...document.querySelectorAll("nav [data-opens]")];

const followers = [];
const holds = [];
// The address of the view that is shown, and the whole address, which may be that of a journey over it.
let viewAddress = null;
let wholeAddress = null;
let shownView = "board";

// Calls `show` with every new address: the name of the view, what follows it, and the query.
export const onAddress = (show) => followers.push(show);
// While `isHeld` says so, another address isn't followed, and `ask` asks the person.
export const holdAddress = (isHeld, ask) => holds.push({ isHeld, ask });
// Whether a view is shown; `onAddress` tells when it becomes so.
export const isShown = (view) => shownView === view;
// The address of the view below the journey.
export const addressBelow = () => viewAddress ?? "#/board";

function parse(hash) {
  const [, name = "", rest = "", query = ""] = /^#\/([a-z-]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(hash) ?? [];
  return { name: views.has(name) ? name : "board", rest: decoded(rest), query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const isJourney = ({ name, rest }) => name === "orders" && rest !== "";

// Goes to an address, also if it is there already.
export function go(hash) {
  if (location.hash === hash) follow();
  else location.hash = hash;
}

// Takes an address without leaving the one before it in the browser's history.
export function replaceAddress(hash) {
  history.replaceState(null, "", hash);
  follow();
}

export function entitle(words) {
  document.title = `${words} · Kafka Dojo`;
}

function follow() {
  const hold = location.hash === wholeAddress ? undefined : holds.find(({ isHeld }) => isHeld());
  if (hold) {
    // The browser's own buttons have left already.
    history.pushState(null, "", wholeAddress);
    return hold.ask();
  }
  const isFirst = wholeAddress === null;
  const address = parse(location.hash);
  wholeAddress = location.hash || "#/board";
  if (!isJourney(address)) viewAddress = wholeAddress;
  else viewAddress ??= "#/orders";
  if (!isJourney(address) || isFirst) showView(address.name, isFirst);
  entitle(links.find((link) => link.dataset.opens === shownView)?.firstChild.textContent ?? "");
  for (const show of followers) show(address);
}

function showView(name, isFirst) {
  const isOther = name !== shownView;
  shownView = name;
  for (const [other, view] of views) view.hidden = other !== name;
  for (const link of links) {
    if (link.dataset.opens === name) link.ariaCurrent = "page";
    else link.removeAttribute("aria-current");
  }
  if (!isOther || isFirst) return;
  scrollTo(0, 0);
  views.get(name).focus({ preventScroll: true });
}

// Starts to follow the address, once every module follows this one.
export function showViews() {
  addEventListener("hashchange", follow);
  follow();
}
