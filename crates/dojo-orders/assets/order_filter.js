// Filters the list of orders by customer, item, key and status.
import { input } from "./api.js";
import { byId } from "./dom.js";
import { lists } from "./lists.js";

const form = byId("order-filter");
const { orders } = lists;

const contains = (text, part) => String(text ?? "").toLowerCase().includes(part);

orders.matches = ({ data, values }) => {
  const text = input(form, "text").value.trim().toLowerCase();
  const status = input(form, "status").value;
  const isFound = text === "" || [values.customer, values.item, data.orderId].some((field) => contains(field, text));
  return isFound && (status === "" || values.status === status);
};

function sayMatches() {
  const isOn = input(form, "text").value.trim() !== "" || input(form, "status").value !== "";
  const found = isOn ? orders.entries.filter(orders.matches).length : 0;
  const said = isOn ? `${found} of the newest ${orders.entries.length} orders` : "";
  if (byId("order-matches").textContent !== said) byId("order-matches").textContent = said;
}

form.addEventListener("input", () => {
  orders.refresh();
  sayMatches();
});
setInterval(sayMatches, 1000);
