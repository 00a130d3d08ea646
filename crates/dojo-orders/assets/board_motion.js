// What moves on the board, for less than 200 ms and only for a reason: a tile makes room for the next one, a mark goes on, a
// record comes from another lane. Nothing moves for a person who asked for less motion.
import { byId } from "./dom.js";

const MILLIS = 180;
const less = matchMedia("(prefers-reduced-motion: reduce)");
const isMoving = () => !less.matches && document.visibilityState === "visible";

// Lets an element that has just got its place `steps` tiles further on come from where it was. Several of these add up.
export function slide(element, steps) {
  if (steps === 0 || Math.abs(steps) > 60 || !isMoving()) return;
  element.animate({ transform: [`translateX(calc(${steps} * var(--pitch)))`, "none"] }, { duration: MILLIS, easing: "ease-out", composite: "add" });
}

// Draws an arc from its start to its end.
export function unroll(arc) {
  if (!arc || !isMoving()) return;
  arc.animate({ clipPath: ["inset(-2px 100% 0 0)", "inset(-2px 0 0 0)"] }, { duration: MILLIS, easing: "ease-out" });
}

// Shows a tile on its way from another tile.
export function fly(from, to) {
  if (!from || !to || !isMoving()) return;
  const [start, end] = [from.getBoundingClientRect(), to.getBoundingClientRect()];
  const ghost = to.cloneNode(true);
  ghost.classList.add("ghost");
  ghost.removeAttribute("href");
  ghost.querySelector(".arc")?.remove();
  for (const [name, value] of Object.entries({ left: start.left, top: start.top, width: start.width, height: start.height })) {
    ghost.style.setProperty(name, `${value}px`);
  }
  byId("board-flights").append(ghost);
  const way = `translate(${end.left - start.left}px, ${end.top - start.top}px)`;
  ghost.animate({ transform: ["none", way] }, { duration: MILLIS + 15, easing: "ease-in-out" }).finished.finally(() => ghost.remove());
}

// Lets an element that has another parent now come from the place that it had.
export function come(element, start) {
  if (!isMoving()) return;
  const end = element.getBoundingClientRect();
  const way = `translate(${start.left - end.left}px, ${start.top - end.top}px)`;
  element.animate({ transform: [way, "none"] }, { duration: MILLIS, easing: "ease-in-out" });
}
