// Projector mode, for a room: large type, no controls, and the words of the running scenario below. The key p and the button
// turn it on, Escape and p turn it off. It is in the address, so that a reload keeps it.
import { announce, byId } from "./dom.js";
import { onRun } from "./run.js";
import { addressBelow, isJourney, onAddress, replaceAddress } from "./views.js";

const MARK = "?projector";

const isOn = () => document.body.classList.contains("projector");

onAddress((address) => {
  if (isJourney(address)) return;
  const on = address.query.has("projector");
  if (on === isOn()) return;
  document.body.classList.toggle("projector", on);
  byId("projector").ariaPressed = String(on);
  announce(on ? "Projector mode is on. Escape leaves it." : "Projector mode is off.");
});

function toggle() {
  const below = addressBelow().replace(MARK, "");
  replaceAddress(isOn() ? below : below.split("?")[0] + MARK);
}

byId("projector").addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (isTyping || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "p" || (event.key === "Escape" && isOn() && !byId("journey").open)) toggle();
});

// ---- the words of the scenario ------------------------------------------------------------------------------------

// Shows the question that is open, or else the newest thing that a run said. What the last one said stays until the next one begins.
onRun((run) => {
  const words = run.questions?.find(({ open }) => open)?.text ?? run.said?.at(-1);
  if (words !== undefined || run.state === "running") byId("said").textContent = words ?? "";
});
