// Draws the groups of the board: a card for each instance with the partitions that it reads, and the newest rebalances. When
// partitions get another reader, their chips move from card to card.
import { send } from "./api.js";
import { figures, say } from "./board_lanes.js";
import { come } from "./board_motion.js";
import { GROUPS } from "./board_model.js";
import { wear } from "./board_who.js";
import { byId, clone, field, fill } from "./dom.js";

const MOST_REBALANCES = 3;

const views = new Map();
const chips = new Map();

for (const [service, { group }] of Object.entries(GROUPS)) {
  const element = byId("board").querySelector(`[data-members="${group}"]`);
  views.set(group, { service, element, list: element.querySelector(".members"), unread: element.querySelector(".unread"), cards: new Map() });
}

export function drawGroups(board) {
  for (const [group, view] of views) drawGroup(board, group, view);
}

const byName = (a, b) => a.id.localeCompare(b.id, "en", { numeric: true });

function drawGroup(board, group, { element, list, unread, cards }) {
  const members = [...board.instances.values()].filter((instance) => instance.group === group).sort(byName);
  for (const [id, card] of cards) {
    if (members.some((member) => member.id === id)) continue;
    card.remove();
    cards.delete(id);
  }
  members.forEach((member, n) => {
    if (!cards.has(member.id)) cards.set(member.id, newCard(member.id));
    const card = cards.get(member.id);
    if (list.children[n] !== card) list.insertBefore(card, list.children[n] ?? null);
    drawCard(card, member, board);
  });
  element.dataset.rebalancing = String([...board.rebalances.values()].some((r) => r.group === group && !r.settledAt));
  const known = [...board.positions].filter(([, position]) => position.group === group);
  const before = new Map(known.filter(([key]) => chips.has(key)).map(([key]) => [key, chips.get(key)]));
  const moves = known.filter(([key, { owner }]) => before.get(key)?.dataset.owner !== String(owner));
  const places = new Map(moves.filter(([key]) => before.has(key)).map(([key]) => [key, chips.get(key).getBoundingClientRect()]));
  for (const [key, { owner, lane }] of moves) {
    const chip = chips.get(key) ?? clone("board-chip");
    chips.set(key, chip);
    chip.dataset.owner = String(owner);
    wear(field(chip, "partition"), owner);
    field(chip, "partition").textContent = lane.split("/")[1];
    chip.dataset.lane = lane;
    chip.title = owner ? `partition ${lane.replace("/", " ")} is read by ${owner}` : `partition ${lane.replace("/", " ")} has no reader`;
    insertSorted(owner && cards.has(owner) ? field(cards.get(owner), "partitions") : unread.querySelector("ul"), chip);
  }
  unread.hidden = unread.querySelector("ul").childElementCount === 0;
  for (const [key, place] of places) come(chips.get(key), place);
}

function insertSorted(list, chip) {
  const after = [...list.children].find((other) => other.dataset.lane > chip.dataset.lane);
  list.insertBefore(chip, after ?? null);
}

function newCard(id) {
  const card = clone("board-member");
  card.dataset.instance = id;
  wear(field(card, "badge"), id);
  field(card, "id").textContent = id;
  return card;
}

function drawCard(card, { id, group, state, live, rule, broken }, board) {
  card.dataset.live = String(live);
  const mine = [...board.positions.values()].filter((known) => known.group === group && known.owner === id);
  const lag = mine.reduce((sum, known) => sum + (board.lag(board.lanes.get(known.lane), known) ?? 0), 0);
  const nothing = live && mine.length === 0 ? "reads nothing" : null;
  const said = [state === "running" ? null : state, nothing ?? (live ? `lag ${figures.format(lag)}` : null), rule && live && `rule ${rule.slice(0, 8)}`, broken && "its rule is broken"];
  say(field(card, "said"), said.filter(Boolean).join(" · "));
}

// ---- rebalances ---------------------------------------------------------------------------------------------------

const list = byId("board-rebalances");

export async function readRebalances(board) {
  const { ok, body } = await send("GET", "/rebalances");
  if (ok) body.rebalances.forEach((rebalance) => noteRebalance(board, rebalance));
}

export function noteRebalance(board, rebalance) {
  const known = board.rebalances.get(rebalance.id);
  // The server's answer may be older than the last event.
  if (known?.at === rebalance.at && known.settledAt && !rebalance.settledAt) return;
  board.rebalances.set(rebalance.id, rebalance);
  const newest = [...board.rebalances.values()].sort((a, b) => b.at.localeCompare(a.at) || b.id - a.id);
  for (const { id } of newest.slice(MOST_REBALANCES)) board.rebalances.delete(id);
  list.replaceChildren(...newest.slice(0, MOST_REBALANCES).map((shown) => {
    const row = fill(clone("board-rebalance"), { at: shown.at, group: shown.group, summary: shown.summary });
    row.dataset.settled = String(Boolean(shown.settledAt));
    return row;
  }));
}
