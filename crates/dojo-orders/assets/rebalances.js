// The rebalances of the consumer groups, newest first. The server keeps them in memory, so a rebalance that came while the
// stream was interrupted is read from there.
import { send } from "./api.js";
import { byId, clone, fill, localTime } from "./dom.js";
import { follow, onOpened } from "./stream.js";

const MOST = 200;
const READ_AGAIN_AFTER_MS = 2000;

const list = byId("rebalances");
const since = byId("rebalances-since");
// Row and what it shows, by the rebalance's id.
const shown = new Map();

follow("rebalance", (rebalance) => show(rebalance)?.classList.add("fresh"));
onOpened(readAll);

async function readAll() {
  const before = [...shown];
  const answer = await send("GET", "/rebalances");
  if (!answer.ok) return;
  if (answer.body.since === null) setTimeout(readAll, READ_AGAIN_AFTER_MS);
  // A restart of the server begins another list, with ids from 1.
  if (answer.body.since !== since.dateTime) before.forEach(([id, { row }]) => forget(id, row));
  since.dateTime = answer.body.since ?? "";
  localTime(since);
  answer.body.rebalances.forEach(show);
}

// Shows a rebalance; returns its row if it is new.
function show(rebalance) {
  const { id, at, settledAt } = rebalance;
  let known = shown.get(id);
  if (known && known.at !== at) known = forget(id, known.row);
  // The server's answer may be older than the last event.
  if (known?.settledAt && !settledAt) return null;
  const row = known?.row ?? clone("rebalance-row");
  shown.set(id, { row, at, settledAt });
  fill(row, {
    group: rebalance.group, at, summary: rebalance.summary,
    before: shares(rebalance.before), after: rebalance.after ? shares(rebalance.after) : "not settled yet",
  });
  row.dataset.settled = String(settledAt !== null);
  if (known) return null;
  row.dataset.id = id;
  const older = [...list.children].find((other) => Number(other.dataset.id) < id);
  list.insertBefore(row, older ?? null);
  if (list.childElementCount > MOST) forget(Number(list.lastElementChild.dataset.id), list.lastElementChild);
  return row;
}

function forget(id, row) {
  row.remove();
  if (shown.get(id)?.row === row) shown.delete(id);
}

// Who reads what: "notification-1: orders 0, 1; notification-2: nothing".
function shares(members) {
  const more = (n) => (n ? ` and ${n} more` : "");
  const share = ({ member, partitions, morePartitions }) => `${member}: ${names(partitions) || "nothing"}${more(morePartitions)}`;
  return members.map(share).join("; ") || "no members";
}

function names(partitions) {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  return [...byTopic].map(([topic, of]) => `${topic} ${of.map(({ partition }) => partition).join(", ")}`).join(", ");
}
