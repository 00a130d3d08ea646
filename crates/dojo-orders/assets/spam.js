// Places many orders at once, each with a request of its own: one, twelve of one customer within a second, or a flood.
import { send, sentence } from "./api.js";
import { byId, plural } from "./dom.js";

// A browser opens six connections to a host, and the page needs one for its stream and one for everything else.
const MOST_AT_ONCE = 4;
const GIVE_UP_AFTER_FAILURES = 5;

const CUSTOMERS = ["Ada", "Grace", "Linus", "Margaret", "Edsger", "Barbara", "Dennis", "Radia", "Ken", "Frances"];
const ITEMS = ["Pizza", "Pasta", "Soup", "Salad", "Burger", "Sushi", "Curry", "Bread"];

const any = (list) => list[Math.floor(Math.random() * list.length)];
const number = (from, to) => from + Math.floor(Math.random() * (to - from + 1));
const anOrder = (customerName) => ({ customerName, item: any(ITEMS), quantity: number(1, 3), price: number(500, 1500) / 100 });

const KINDS = {
  one: { count: 1, overMs: 0, customer: () => () => any(CUSTOMERS) },
  // A new name, so that the window of this customer is empty.
  twelve: { count: 12, overMs: 1000, customer: () => { const name = `${any(CUSTOMERS)} ${number(100, 999)}`; return () => name; } },
  flood: { count: 300, overMs: 10000, customer: () => () => `${any(CUSTOMERS)} ${number(10, 99)}` },
};

const progress = byId("spam-progress");
const stop = byId("spam-stop");
const say = (text) => { byId("spam-outcome").textContent = text; };

let running = null;

const wait = (millis) => new Promise((done) => setTimeout(done, millis));

async function spam({ count, overMs, customer }) {
  const own = running = { placed: 0, failed: 0, why: "", isStopped: false };
  const customerOf = customer();
  const begun = performance.now();
  const atOnce = new Set();
  show(own, count);
  for (let n = 0; n < count && !own.isStopped; n++) {
    const due = begun + (n * overMs) / count;
    if (due > performance.now()) await wait(due - performance.now());
    if (atOnce.size >= MOST_AT_ONCE) await Promise.race(atOnce);
    if (own.isStopped) break;
    const sending = place(own, anOrder(customerOf())).then(() => {
      atOnce.delete(sending);
      show(own, count);
    });
    atOnce.add(sending);
  }
  await Promise.all(atOnce);
  running = null;
  sayEnd(own, count, performance.now() - begun);
}

async function place(own, order) {
  const answer = await send("POST", "/orders", JSON.stringify(order));
  if (answer.ok) {
    own.placed += 1;
    return;
  }
  own.failed += 1;
  own.why = sentence(answer.errors[0]?.message ?? answer.detail);
  if (own.failed >= GIVE_UP_AFTER_FAILURES) own.isStopped = true;
}

function show({ placed, failed }, count) {
  const isMany = count > 1;
  progress.hidden = stop.hidden = !isMany;
  progress.max = count;
  progress.value = placed + failed;
  if (isMany) say(`${placed} of ${count} orders are on the log …`);
}

function sayEnd({ placed, failed, why, isStopped }, count, millis) {
  const hadFocus = document.activeElement === stop;
  progress.hidden = stop.hidden = true;
  if (hadFocus) document.querySelector("[data-spam=flood]").focus();
  const said = [`${plural(placed, "order")} on the log after ${(millis / 1000).toFixed(1)} s.`];
  if (failed > 0) said.push(`${plural(failed, "request")} failed: ${why}`);
  if (isStopped && placed + failed < count) said.push(`Stopped: ${count - placed - failed} were not sent.`);
  say(said.join(" "));
}

byId("spam")?.addEventListener("click", ({ target }) => {
  if (target === stop && running) running.isStopped = true;
  const kind = KINDS[target.dataset.spam];
  if (!kind) return;
  if (running) say("Wait until the orders before are sent, or stop them.");
  else spam(kind);
});
