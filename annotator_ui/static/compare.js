// One comparison: which verdict is chosen, how long it took, and the swap to the next one.
// The verdict itself travels through outbox.js.

import { say } from "./page.js";
import { post } from "./outbox.js";

const IDLE_AFTER_MS = 30_000;
const TICK_MS = 250;

// Time counts while the page is visible and the annotator did something not long ago.
let activeMs = 0;
let lastTick = performance.now();
let lastAct = performance.now();

function tick() {
  const now = performance.now();
  if (document.visibilityState === "visible" && now - lastAct < IDLE_AFTER_MS) {
    activeMs += now - lastTick;
  }
  lastTick = now;
}

function act() {
  lastAct = performance.now();
}

function newKey() {
  // crypto.randomUUID is missing on plain HTTP, where a team's own network often runs.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const section = () => document.getElementById("comparison");
const form = () => document.getElementById("verdict");

const places = () => [...form().querySelectorAll("select[name=place]")];
const isSide = (verdict) => /^[A-Z]$/.test(verdict);

function choose() {
  const verdict = new FormData(form()).get("verdict");
  document.getElementById("strength").disabled = !isSide(verdict);
  for (const side of document.querySelectorAll(".side[data-side]")) {
    side.classList.toggle("chosen", side.dataset.side === verdict);
  }
  const names = { tie: "Tie", both_bad: places().length ? "All bad" : "Both bad", ranking: "Ranked by place" };
  say(isSide(verdict) ? `${verdict} is better. How much? 1, 2 or 3` : names[verdict] ?? "");
}

function missing(fields) {
  if (!fields.verdict) {
    return places().length ? "Choose the best one, tie or all bad, or give each a place first." : "Choose A, B, tie or both bad first.";
  }
  if (isSide(fields.verdict) && !fields.strength) return "How much better? Choose 1 slightly, 2 clearly or 3 much.";
  if (fields.verdict === "ranking" && fields.place.includes("")) return "Give every response a place: 1 for the best, equal places for a tie.";
  return null;
}

function notify(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "notice hint";
  paragraph.textContent = text;
  document.getElementById("hint").replaceChildren(paragraph);
}

function submit(event) {
  if (event.target !== form()) return;
  event.preventDefault();
  const { place: _, ...fields } = Object.fromEntries(new FormData(form()));
  // Places that were given before another verdict was chosen are not part of it.
  if (fields.verdict === "ranking") fields.place = places().map((select) => select.value);
  const problem = missing(fields);
  if (problem) return notify(problem);
  tick();
  setBusy(true);
  post({
    url: form().getAttribute("action"),
    project: section().dataset.project,
    fields: {
      ...fields,
      active_ms: Math.round(activeMs),
      layout: matchMedia("(max-width: 719px)").matches ? "stacked" : "side_by_side",
      idempotency_key: newKey(),
    },
  });
}

function setBusy(busy) {
  section().setAttribute("aria-busy", String(busy));
  for (const fieldset of form()?.querySelectorAll(".choices, .last button, textarea, .place select") ?? []) {
    fieldset.disabled = busy;
  }
  if (!busy && form()) choose();
}

function begin() {
  activeMs = 0;
  lastTick = lastAct = lastBeat = performance.now();
  document.getElementById("notice").replaceChildren();
  window.scrollTo(0, 0);
  section().querySelector("h1")?.focus({ preventScroll: true });
}

// The comparison stays reserved while somebody can see it. Whatever the answer is, there is nothing
// to do about it here: a verdict that comes too late is kept all the same.
let lastBeat = performance.now();

function beat() {
  const { heartbeat, heartbeatSeconds } = section().dataset;
  if (!heartbeat || document.visibilityState !== "visible") return;
  if (performance.now() - lastBeat < heartbeatSeconds * 1000) return;
  lastBeat = performance.now();
  const headers = { "HX-Request": "true", ...JSON.parse(document.body.getAttribute("hx-headers")) };
  fetch(heartbeat, { method: "POST", headers }).catch(() => {});
}

const isShown = (entry) => entry.url === form()?.getAttribute("action");

document.addEventListener("outbox:delivered", ({ detail }) => {
  if (detail.entry.project !== section().dataset.project) return;
  // A verdict from before leaves alone what is half written on another comparison.
  if (form() && !isShown(detail.entry)) return say("A verdict from before is saved.");
  htmx.swap("#comparison", detail.html, { swapStyle: "outerHTML" });
  const progress = section().querySelector(".progress .num")?.textContent ?? "";
  say(`Saved. ${progress}`);
});
document.addEventListener("outbox:refused", ({ detail }) => {
  document.getElementById("notice").innerHTML = detail.html;
  if (isShown(detail.entry)) setBusy(false);
});
// The other tab has the answer; the server gives this one whatever comes next.
document.addEventListener("outbox:elsewhere", ({ detail }) => {
  if (isShown(detail.entry)) location.reload();
});
// To skip and flag goes through htmx. What a proxy answers in the server's place, or a network that
// wants a sign-in first, is no comparison; the server's own errors name where they are shown.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { xhr, elt } = detail;
  if (xhr.getResponseHeader("X-Prefloop-Judgment") ?? xhr.getResponseHeader("HX-Retarget")) return;
  detail.shouldSwap = false;
  elt.querySelector(".dialog-result").textContent =
    "Something between this browser and the server answered in its place. Try again.";
});
// htmx says this of every new piece of the page, whoever asked for it.
document.addEventListener("htmx:load", ({ detail }) => {
  if (detail.elt.id === "comparison") begin();
});
document.addEventListener("change", (event) => {
  if (event.target.form !== form()) return;
  if (event.target.name === "place") form().elements.verdict.value = "ranking";
  if (event.target.name === "place" || event.target.type === "radio") {
    document.getElementById("hint").replaceChildren();
    choose();
  }
});
document.addEventListener("submit", submit);
for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchmove"]) {
  document.addEventListener(name, act, { passive: true, capture: true });
}
document.addEventListener("visibilitychange", () => { tick(); beat(); });
setInterval(() => { tick(); beat(); }, TICK_MS);
