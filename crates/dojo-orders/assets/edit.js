// Edits and deletes an order in its row. The row keeps showing what Kafka delivered, and a form below it holds what the
// person types. The form closes, and the row changes, when the event of the change has come back through Kafka.
import { input, numberErrors, send, sentence, setBusy, showErrors, toJson } from "./api.js";
import { byId, clone, field, short } from "./dom.js";
import { lists } from "./lists.js";
import { holdReload } from "./stream.js";

const EVENT_WITHIN_MS = 10000;
// Versions of an order that arrived before the answer did; the newest ones are kept.
const MOST_VERSIONS = 50;
const EDITED = ["item", "quantity", "price", "status"];

const WAITING = "Sent. Waiting for the event to come back through Kafka.";
const LATE = "Kafka has the change, but its event has not come back yet. The row changes when it comes.";
const KEPT = "What you typed is kept.";

const versionOf = (order) => JSON.stringify([order.customerName, ...EDITED.map((name) => order[name])]);
const textOf = (order, name) => (name === "price" ? Number(order.price).toFixed(2) : String(order[name]));

function outcome(text) {
  byId("order-outcome").textContent = text;
}

// A form that is open in a row. A row has one at most, its `editor`.
class RowForm {
  constructor(opener, template) {
    this.opener = opener;
    this.row = opener.closest(".row");
    this.id = this.row.dataset.orderId;
    this.form = clone(template);
    this.form.addEventListener("submit", () => this.isBusy() || this.submit());
    this.form.querySelector("[data-cancel]").addEventListener("click", () => this.cancel());
    this.form.addEventListener("keydown", (event) => {
      // An input method uses Escape, too.
      if (event.key === "Escape" && !event.isComposing) this.cancel();
    });
    this.row.editor = this;
    opener.parentElement.hidden = true;
    this.row.append(this.form);
    this.form.scrollIntoView({ block: "nearest" });
    this.form.querySelector("[data-first]").focus();
  }

  isBusy() { return this.form.ariaBusy === "true"; }

  say(text) { this.form.querySelector(".outcome").textContent = text; }

  async send(method, json) {
    setBusy(this.form, true);
    this.say(WAITING);
    const answer = await send(method, `/orders/${encodeURIComponent(this.id)}`, json);
    if (!this.isOver && !answer.ok) setBusy(this.form, false);
    if (!this.isOver && answer.ok) this.timer = setTimeout(() => this.isLate(), EVENT_WITHIN_MS);
    return answer;
  }

  isLate() {
    setBusy(this.form, false);
    this.say(LATE);
  }

  // Nothing is awaited any more.
  end() {
    this.isOver = true;
    clearTimeout(this.timer);
  }

  cancel() {
    if (!this.isBusy()) this.close();
  }

  close() {
    this.end();
    const hadFocus = this.form.contains(document.activeElement);
    this.form.remove();
    delete this.row.editor;
    this.opener.parentElement.hidden = false;
    if (hadFocus) this.opener.focus();
  }

  // Returns whether the row stays although its order is gone.
  orderWasDeleted() {
    this.end();
    outcome(`Order ${short(this.id)} is deleted.`);
    return false;
  }
}

class Edit extends RowForm {
  constructor(opener) {
    super(opener, "edit-order");
    this.order = this.shown();
    for (const [name, value] of Object.entries(this.order)) input(this.form, name).value = value;
    for (const error of this.form.querySelectorAll("[data-error-of]")) {
      error.id = `e-${this.id}-${error.dataset.errorOf}`;
      input(this.form, error.dataset.errorOf).setAttribute("aria-describedby", error.id);
    }
    input(this.form, "item").select();
  }

  // The order as the row shows it, without the line breaks that a text field drops.
  shown() {
    const text = (name) => field(this.row, name).textContent.replace(/[\r\n]/g, "");
    return Object.fromEntries(EDITED.map((name) => [name, text(name)]));
  }

  // What the person has typed: the fields that differ from the order.
  typed() {
    const values = EDITED.map((name) => [name, input(this.form, name).value]);
    return Object.fromEntries(values.filter(([name, value]) => value !== this.order[name]));
  }

  async submit() {
    if (this.isOver) return;
    this.sent = this.typed();
    if (showErrors(this.form, numberErrors(this.sent))) return this.say("");
    if (Object.keys(this.sent).length === 0) return this.say("Nothing to save: no field was changed.");
    this.versions = [];
    this.awaited = null;
    const answer = await this.send("PUT", toJson(this.sent));
    if (this.isOver) return;
    if (answer.ok) {
      this.awaited = versionOf(answer.body);
      const own = this.versions.findIndex((order) => versionOf(order) === this.awaited);
      if (own >= 0) this.saved(this.versions.slice(0, own));
      return;
    }
    const refused = showErrors(this.form, answer.errors) ? [] : [sentence(answer.detail), KEPT];
    this.say([this.follow(), ...refused].join(" "));
  }

  orderChanged(order) {
    if (versionOf(order) === this.awaited) return this.saved(this.versions);
    if (!this.isBusy()) {
      const changed = this.follow();
      if (changed !== "") this.say(`${changed} ${KEPT}`);
    } else if (this.versions.push(order) > MOST_VERSIONS) {
      this.versions.shift();
    }
  }

  // The event has come back, behind `earlier` changes of others. The form stays open if the person has typed something else
  // in the meantime.
  saved(earlier) {
    outcome(`Order ${short(this.id)} is changed. ${this.replaced(earlier)}`);
    this.awaited = null;
    this.versions = [];
    if (Object.entries(this.typed()).every(([name, value]) => value === this.sent[name])) return this.close();
    clearTimeout(this.timer);
    setBusy(this.form, false);
    this.follow();
    this.say("The change is saved, but not what you typed after it: save again.");
  }

  // Kafka keeps the changes of one order in one sequence. Says which values of others the saved ones came after, of those
  // that the person had not seen.
  replaced(earlier) {
    const lost = [];
    for (const name of Object.keys(this.sent)) {
      const values = earlier.map((order) => textOf(order, name)).filter((value) => value !== this.order[name]);
      if (values.length > 0) lost.push(`${name} to ${values.at(-1)}`);
    }
    return lost.length === 0 ? "" : `Just before, another page had changed ${lost.join(", ")}: your change replaced that.`;
  }

  // Takes the row's new values over into the fields in which the person has typed nothing; says which are new.
  follow() {
    const typed = this.typed();
    const before = this.order;
    this.order = this.shown();
    const changed = EDITED.filter((name) => this.order[name] !== before[name]);
    for (const name of changed) if (!(name in typed)) input(this.form, name).value = this.order[name];
    if (changed.length === 0) return "";
    return `This order has changed: ${changed.map((name) => `${name} is now ${this.order[name]}`).join(", ")}.`;
  }

  orderWasDeleted() {
    if (Object.keys(this.typed()).length === 0) return super.orderWasDeleted();
    this.end();
    setBusy(this.form, false);
    this.row.dataset.deleted = "true";
    this.form.querySelector("[type=submit]").ariaDisabled = "true";
    this.say("This order was deleted and can't be saved. What you typed is kept until you cancel.");
    return true;
  }

  close() {
    super.close();
    if (this.row.dataset.deleted) lists.orders.remove(this.row.entry);
  }
}

class Delete extends RowForm {
  constructor(opener) {
    super(opener, "delete-order");
  }

  async submit() {
    const answer = await this.send("DELETE");
    if (!answer.ok) this.say(sentence(answer.detail));
  }

  orderChanged() {
    if (!this.isBusy()) this.say("This order has just changed.");
  }
}

lists.orders.element.addEventListener("click", ({ target }) => {
  if (target.matches("[data-edit]")) new Edit(target);
  if (target.matches("[data-delete]")) new Delete(target);
});

// While somebody edits, the page isn't loaded again.
holdReload(() => lists.orders.entries.some(({ row }) => row?.editor));
