// Shows the glossary's sentence about a word while the pointer or the focus is on the word.
import { byId } from "./dom.js";

const tip = byId("term-meaning");
const meanings = new Map([...byId("glossary").querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]));

let shownFor = null;

function show(word) {
  const meaning = meanings.get(word.dataset.term);
  if (!meaning || shownFor === word) return;
  hide();
  shownFor = word;
  word.setAttribute("aria-describedby", tip.id);
  tip.textContent = meaning;
  // The word is the popover's anchor. A browser that doesn't know anchors shows the sentence in the middle.
  tip.showPopover({ source: word });
}

function hide() {
  if (!shownFor) return;
  shownFor.removeAttribute("aria-describedby");
  shownFor = null;
  tip.hidePopover();
}

const wordOf = ({ target }) => target.closest?.("[data-term]");
for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const word = wordOf(event);
    if (word) show(word);
    else if (shownFor && shownFor !== document.activeElement) hide();
  });
}
document.addEventListener("focusout", (event) => wordOf(event) === shownFor && hide());
document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
