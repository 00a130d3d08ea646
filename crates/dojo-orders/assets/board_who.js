// The letter and the colour of an instance, which are the same wherever the instance appears. They follow from its name, so
// that every browser and every reload agrees.

const SERVICES = {
  notification: { letter: "", colours: [1, 2, 3, 4, 5, 7, 6, 8] },
  fraud: { letter: "F", colours: [4, 5, 7, 6, 3, 1, 2, 8] },
  audit: { letter: "A", colours: [5, 7, 6, 3, 1, 2, 4, 8] },
  order: { letter: "O", colours: [8, 6, 7, 5, 4, 3, 2, 1] },
};

// Of `notification-2` the letter is 2, of `fraud-1` it is F, and of `fraud-2` it is F2.
export function look(id) {
  const [, service = "", number = ""] = /^(.*?)-?(\d*)$/.exec(String(id)) ?? [];
  const { letter, colours } = SERVICES[service] ?? { letter: service.slice(0, 1).toUpperCase(), colours: [8] };
  const n = Number(number || 1);
  return { letter: (letter + (letter !== "" && n === 1 ? "" : n)).slice(0, 3), colour: colours[(n - 1) % colours.length] ?? 8 };
}

// Makes `element` wear the look of an instance, or of nobody.
export function wear(element, id) {
  const { letter, colour } = id ? look(id) : { letter: "–", colour: 0 };
  element.classList.add("who");
  element.dataset.colour = String(colour);
  element.textContent = letter;
  return element;
}

// The badge of an instance, for a place that has its name beside it.
export function badge(id) {
  const element = wear(document.createElement("span"), id);
  element.ariaHidden = "true";
  return element;
}
