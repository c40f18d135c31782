// Verdicts on their way to the server. Each is kept in this browser from the moment it is given
// until the server itself says what became of it, and is sent again with the same idempotency key
// until then: the server stores it once, however often it arrives. Entries belong to the signed-in
// annotator.
//
// Every entry has a key of localStorage for itself, so tabs that keep and remove at the same moment
// never write over each other. (Locks between tabs would need HTTPS.) Each tab sends what it finds.
//
// Tells the page with events on document: outbox:delivered and outbox:refused, each with
// detail {entry, html}; outbox:elsewhere with {entry} where another tab got the answer to what was
// given here.

const STORE = `prefloop.outbox.${document.body.dataset.annotator}`;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_WITHIN_MS = 20_000;
// What only the server's own answers say of a verdict. Any other answer is somebody else's, of a
// proxy for example, or is given before the server looks at the verdict.
const FINAL = { stored: "delivered", replayed: "delivered", refused: "refused" };

let sending = false;
let timer = null;
let wait = 1000;
// What was given on this page and has no answer yet, by its place in localStorage.
const own = new Map();

const placeOf = (entry) => `${STORE}.${entry.fields.idempotency_key}`;

function keep(entry) {
  own.set(placeOf(entry), entry);
  try { localStorage.setItem(placeOf(entry), JSON.stringify(entry)); } catch { /* See isKept. */ }
}

function forget(entry) {
  own.delete(placeOf(entry));
  try { localStorage.removeItem(placeOf(entry)); } catch { /* It was never there. */ }
}

function stored(place) {
  try { return JSON.parse(localStorage.getItem(place)); } catch { return null; }
}

// False where this browser stores nothing: the entry lives only as long as its page.
const isKept = (entry) => stored(placeOf(entry)) !== null;

function waiting() {
  const found = new Map(own);
  let places = [];
  try { places = Object.keys(localStorage).filter((place) => place.startsWith(`${STORE}.`)); } catch { /* Nothing is stored. */ }
  for (const place of places) {
    const entry = stored(place);
    if (entry) found.set(place, entry);
  }
  return [...found.values()].sort((one, other) => one.given_at - other.given_at);
}

// A list under one key is how earlier versions kept them.
function takeOverList() {
  const list = stored(STORE);
  if (!list) return;
  for (const entry of list) localStorage.setItem(placeOf(entry), JSON.stringify({ given_at: 0, ...entry }));
  localStorage.removeItem(STORE);
}

function show(problem) {
  const banner = document.getElementById("unsent");
  banner.hidden = problem === null;
  if (problem === null) return;
  const entries = waiting();
  const where = entries.every(isKept) ? "It is kept in this browser." : "Keep this page open: this browser stores nothing.";
  const what = entries.length > 1 ? `${entries.length} verdicts wait.` : "";
  document.getElementById("unsent-text").textContent = [problem, where, what].join(" ");
}

function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(flush, milliseconds);
}

function announce(name, detail) {
  document.dispatchEvent(new CustomEvent(`outbox:${name}`, { detail }));
}

function problemOf(status) {
  // 0 stands for an answer that leads elsewhere, as a company's own sign-in does.
  if ([0, 401, 403].includes(status)) return "You may be signed out, or this page is out of date. Reload it; sign in if you are asked to.";
  if (status === 429 || status >= 500) return "The server cannot store it right now; it is sent again by itself.";
  return `Something between this browser and the server answered in its place (${status}); it is sent again by itself.`;
}

/** Send one verdict. Gives null where the server said what became of it, else what is in the way. */
async function deliver(entry) {
  const response = await fetch(entry.url, {
    method: "POST",
    headers: { "HX-Request": "true", ...JSON.parse(document.body.getAttribute("hx-headers")) },
    body: new URLSearchParams(Object.entries(entry.fields).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))),
    redirect: "manual",
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  const html = await response.text();
  const outcome = FINAL[response.headers.get("X-Prefloop-Judgment")];
  if (!outcome) return problemOf(response.status);
  forget(entry);
  wait = 1000;
  announce(outcome, { entry, html });
  return null;
}

/** Send what waits, oldest first. What cannot be sent is kept for later, and holds nothing else up. */
async function flush() {
  if (sending) return;
  sending = true;
  const tried = new Set();
  const untried = () => waiting().find((entry) => !tried.has(placeOf(entry)));
  let problem = null;
  try {
    for (let entry = untried(); entry; entry = untried()) {
      tried.add(placeOf(entry));
      problem = (await deliver(entry)) ?? problem;
    }
  } catch {
    problem = "No connection; it is sent again by itself.";
  } finally {
    sending = false;
  }
  // Another tab may have sent meanwhile what could not be sent here.
  show(waiting().length ? problem : null);
  if (!waiting().length) return;
  later(wait);
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

/** Keep a verdict and send it. */
export function post(entry) {
  keep({ ...entry, given_at: Date.now() });
  flush();
}

function flushNow() {
  wait = 1000;
  flush();
}

// Another tab kept a verdict, or had its answer.
function follow({ key, newValue }) {
  if (!key?.startsWith(`${STORE}.`)) return;
  // The tab that keeps one sends it at once; this one only sees to it that it is not left behind.
  if (newValue !== null) return later(LONGEST_WAIT_MS);
  const entry = own.get(key);
  own.delete(key);
  if (!waiting().length) show(null);
  if (entry) announce("elsewhere", { entry });
}

window.addEventListener("online", flushNow);
window.addEventListener("storage", follow);
document.getElementById("unsent-retry").addEventListener("click", flushNow);
window.addEventListener("beforeunload", (event) => {
  if (![...own.values()].every(isKept)) event.preventDefault();
});
takeOverList();
if (waiting().length) {
  show("A verdict from before is being sent.");
  flush();
}
