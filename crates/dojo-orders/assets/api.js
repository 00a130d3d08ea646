// Asks the order service for a change, and shows its answer beside the form. A row changes only when the event of the
// change has come back through Kafka.

// The server answers most requests within five seconds.
const ANSWER_WITHIN_MS = 10000;

export async function send(method, path, json, { headers = {}, within = ANSWER_WITHIN_MS, signal } = {}) {
  try {
    const response = await fetch(path, {
      method, body: json, signal: AbortSignal.any([AbortSignal.timeout(within), signal].filter(Boolean)), cache: "no-store",
      headers: json === undefined ? headers : { "Content-Type": "application/json", ...headers },
    });
    const body = response.status === 204 ? null : await response.json();
    const { ok, status } = response;
    return { ok, status, body, errors: body?.errors ?? [], detail: body?.detail ?? "", tag: response.headers.get("ETag") };
  } catch (error) {
    return { ok: false, status: 0, errors: [], detail: whyNoAnswer(error, method, within) };
  }
}

function whyNoAnswer({ name }, method, within) {
  if (name !== "TimeoutError") return "the order service does not answer";
  const outcome = method === "GET" ? "" : ". What you asked for may have happened all the same";
  return `no answer within ${within / 1000} s${outcome}`;
}

export const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

// The fields of an order that hold numbers, and what to type into them.
const NUMBERS = { quantity: "a whole number such as 2", price: "a number such as 12.50" };
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

export function numberErrors(values) {
  const wrong = Object.entries(values).filter(([name, text]) => name in NUMBERS && !JSON_NUMBER.test(text.trim()));
  return wrong.map(([field, text]) => {
    const typed = text.trim() === "" ? "empty" : `\`${text.trim()}\``;
    return { field, message: `is ${typed}: give ${NUMBERS[field]}` };
  });
}

// The JSON of a form's values. A number is sent as it was typed: JavaScript would round it, and read `0x10` as 16.
export function toJson(values) {
  const members = Object.entries(values).map(
    ([name, text]) => `${JSON.stringify(name)}:${name in NUMBERS ? text.trim() : JSON.stringify(text)}`);
  return `{${members.join(",")}}`;
}

// Not `form.elements[name]`, where the name `item` is a method.
export const input = (form, name) => form.querySelector(`[name="${name}"]`);

// Shows each error beside its field, and returns whether there was one to show.
export function showErrors(form, errors) {
  let shown = false;
  for (const place of form.querySelectorAll("[data-error-of]")) {
    const name = place.dataset.errorOf;
    const error = errors.find((e) => e.field === name);
    place.textContent = error ? `${name} ${error.message}` : "";
    input(form, name).ariaInvalid = String(error !== undefined);
    shown ||= error !== undefined;
  }
  return shown;
}

// A disabled button would lose the focus, so a busy one only looks disabled; its form ignores it.
export function setBusy(form, busy) {
  form.ariaBusy = String(busy);
  for (const button of form.querySelectorAll("[type=submit]")) button.ariaDisabled = String(busy);
}
