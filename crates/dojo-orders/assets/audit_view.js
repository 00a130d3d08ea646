// The view of the audit events: filters, a pause that counts what waits, and a way back to now.
import { input } from "./api.js";
import { announce, byId } from "./dom.js";
import { lists } from "./lists.js";
import { follow } from "./stream.js";

const MOST_INSTANCES = 100;

const form = byId("audit-filter");
const pause = byId("audit-pause");
const { audit } = lists;

const valueOf = (name) => input(form, name).value.trim().toLowerCase();
const contains = (text, part) => part === "" || String(text ?? "").toLowerCase().includes(part);

audit.matches = ({ data, values }) => {
  const action = input(form, "action").value;
  // Behind the action may stand which attempt it was.
  const isAction = action === "" || values.action.split(" ")[0] === action;
  const isAbout = contains(values.customer, valueOf("text")) || contains(data.orderId, valueOf("text"));
  return isAction && isAbout && contains(values.by, valueOf("by"));
};

form.addEventListener("input", () => audit.refresh());

// ---- pause --------------------------------------------------------------------------------------------------------

function setPaused(isPaused) {
  if (isPaused) audit.pause();
  else audit.resume();
  pause.ariaPressed = String(isPaused);
  pause.textContent = isPaused ? "Go on" : "Pause";
  announce(isPaused ? "The audit events are paused." : "The audit events go on.");
  sayWaiting();
  audit.show();
}

function sayWaiting() {
  const events = audit.waiting === 1 ? "1 event waits" : `${audit.waiting} events wait`;
  const said = audit.isPaused ? `Paused: ${events}.` : "";
  if (byId("audit-waiting").textContent !== said) byId("audit-waiting").textContent = said;
}

pause.addEventListener("click", () => setPaused(!audit.isPaused));
byId("audit-now").addEventListener("click", () => {
  if (audit.isPaused) setPaused(false);
  audit.element.scrollTop = 0;
  audit.element.focus();
});
setInterval(sayWaiting, 500);

// ---- the instances to choose from ---------------------------------------------------------------------------------

const instances = new Set();

follow("audit", ({ instanceId }) => {
  if (!instanceId || instances.has(instanceId) || instances.size >= MOST_INSTANCES) return;
  instances.add(instanceId);
  byId("audit-instances").append(new Option(instanceId));
});
