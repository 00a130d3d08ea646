// Reads cursors, the `id:` of events: `k3f29-o12~18f.5.7-a93` has, for each topic's letter, the next offset of each partition.

// The letter of each type of event.
const LETTERS = { order: "o", audit: "a", dlq: "d", settings: "s", status: "t", run: "r" };
const CLUSTER = "k";

const partsOf = (cursor) => new Map(cursor.split("-").filter(Boolean).map((part) => [part[0], part.slice(1)]));
const nextOf = (place) => (place === "" ? -1 : Number(place.split("~")[0]));

// The next offset of each partition, by the name that `placeOf` gives it.
export function positions(cursor) {
  const next = new Map();
  for (const [letter, places] of partsOf(cursor)) {
    if (letter === CLUSTER) continue;
    places.split(".").forEach((place, partition) => place && next.set(letter + partition, nextOf(place)));
  }
  return next;
}

export const placeOf = (type, partition) => LETTERS[type] + partition;

// A cursor from which a stream has everything that it has from `a` or from `b`.
export function earlier(a, b) {
  const [some, others] = [partsOf(a), partsOf(b)];
  const parts = [];
  for (const letter of new Set([...some.keys(), ...others.keys()])) {
    const [one, other] = [some.get(letter), others.get(letter)];
    // What only one of them knows, the other one follows from now on.
    if (letter === CLUSTER || one === undefined || other === undefined) parts.push(letter + (other ?? one));
    else parts.push(letter + lower(one.split("."), other.split(".")).join("."));
  }
  return parts.join("-");
}

function lower(ones, others) {
  return Array.from({ length: Math.max(ones.length, others.length) }, (_, partition) => {
    const [one = "", other = ""] = [ones[partition], others[partition]];
    return nextOf(one) <= nextOf(other) ? one : other;
  });
}
