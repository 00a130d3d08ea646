// Starts the page. Each module follows the events and addresses that it shows.
import "./banner.js";
import { localTime, markWho, tone } from "./dom.js";
import { showSettings } from "./settings.js";
import { connect } from "./stream.js";
import { showViews } from "./views.js";
// An event is passed to these in this order, so that its row is there first.
import "./board.js";
import "./rows.js";
import "./instances.js";
import "./rebalances.js";
import "./redrive.js";
import "./journey.js";
import "./place_order.js";
import "./spam.js";
import "./order_filter.js";
import "./audit_view.js";
import "./fraud_view.js";
import "./edit.js";
import "./terms.js";
import "./topics.js";
import "./rules.js";
import "./rule_editor.js";
import "./scenarios.js";
import "./run.js";
import "./projector.js";

// The scripts send what is in a form.
document.addEventListener("submit", (event) => event.preventDefault());

document.querySelectorAll("time").forEach(localTime);
document.querySelectorAll(".badge").forEach(tone);
document.querySelectorAll("[data-who]").forEach(markWho);
showSettings();
showViews();
connect();
