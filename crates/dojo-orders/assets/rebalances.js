// The rebalances of the consumer groups. The server keeps them in memory, so a rebalance that came while the stream was
// interrupted is read from there.
import { send } from "./api.js";
import { byId, clone, fill, localTime } from "./dom.js";
import { follow, onOpened } from "./stream.js";

const MOST = 200;

const list = byId("rebalances");
const since = byId("rebalances-since");
const rows = new Map();
// A restart of the server starts the list over.
let listSince = null;

follow("rebalance", show);

onOpened(async () => {
  const answer = await send("GET", "/rebalances");
  if (!answer.ok) return;
  if (answer.body.since !== listSince) {
    listSince = answer.body.since;
    rows.clear();
    list.replaceChildren();
  }
  answer.body.rebalances.reverse().forEach(show);
  since.dateTime = listSince ?? "";
  localTime(since);
});

function show(rebalance) {
  const known = rows.get(rebalance.id);
  // The answer of the server may be older than the last event.
  if (known?.settled && !rebalance.settledAt) return;
  const row = known?.row ?? clone("rebalance-row");
  rows.set(rebalance.id, { row, settled: rebalance.settledAt !== null });
  fill(row, {
    group: rebalance.group, at: rebalance.at, summary: rebalance.summary,
    before: shares(rebalance.before), after: rebalance.after ? shares(rebalance.after) : "not settled yet",
  });
  row.dataset.settled = String(rebalance.settledAt !== null);
  if (known) return;
  row.classList.add("fresh");
  list.prepend(row);
  while (list.childElementCount > MOST) list.lastElementChild.remove();
  for (const [id, { row }] of rows) if (!row.isConnected) rows.delete(id);
}

// Who reads what: "notification-1: orders 0, 1; notification-2: nothing".
function shares(members) {
  const share = ({ member, partitions }) => `${member}: ${names(partitions) || "nothing"}`;
  return members.map(share).join("; ") || "no members";
}

function names(partitions) {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  return [...byTopic].map(([topic, of]) => `${topic} ${of.map(({ partition }) => partition).join(", ")}`).join(", ");
}
