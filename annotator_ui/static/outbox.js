// Verdicts on their way to the server. Each is kept in this browser from the moment it is given
// until the server says it is stored, and is sent again with the same idempotency key until then:
// the server stores it once, however often it arrives. Entries belong to the signed-in annotator.
//
// Tells the page with events on document: outbox:delivered and outbox:refused, each with
// detail {entry, html}.

const STORE = `prefloop.outbox.${document.body.dataset.annotator}`;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_WITHIN_MS = 20_000;
// Statuses that say "not now": the verdict is kept and sent again.
const LATER = new Set([401, 403, 408, 425, 429]);

let sending = false;
let timer = null;
let wait = 1000;
// Only where this browser stores nothing: the entries, for as long as the page lives.
let memory = null;

function read() {
  if (memory) return memory;
  try { return JSON.parse(localStorage.getItem(STORE) ?? "[]"); } catch { return []; }
}

function write(entries) {
  try {
    if (entries.length) localStorage.setItem(STORE, JSON.stringify(entries));
    else localStorage.removeItem(STORE);
  } catch {
    memory = entries;
  }
}

function remove(key) {
  write(read().filter((entry) => entry.fields.idempotency_key !== key));
}

function show(problem) {
  const banner = document.getElementById("unsent");
  banner.hidden = problem === null;
  if (problem === null) return;
  const where = memory === null ? "It is kept in this browser." : "Keep this page open: this browser stores nothing.";
  const waiting = read().length;
  const what = waiting > 1 ? `${waiting} verdicts wait.` : "";
  document.getElementById("unsent-text").textContent = [problem, where, what].join(" ");
}

function later(problem) {
  show(problem);
  clearTimeout(timer);
  timer = setTimeout(flush, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

function announce(name, entry, html) {
  document.dispatchEvent(new CustomEvent(`outbox:${name}`, { detail: { entry, html } }));
}

async function send(entry) {
  const response = await fetch(entry.url, {
    method: "POST",
    headers: { "HX-Request": "true", ...JSON.parse(document.body.getAttribute("hx-headers")) },
    body: new URLSearchParams(entry.fields),
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  return { status: response.status, html: await response.text() };
}

function problemOf(status) {
  if (status === 401) return "You are signed out. Sign in again in another tab, then reload this page.";
  if (status === 403) return "This page is out of date. Reload it.";
  return "The server cannot store it right now; it is sent again by itself.";
}

/** Send what waits, oldest first; on trouble keep it and try again later. */
async function flush() {
  if (sending) return;
  sending = true;
  try {
    for (let entry = read()[0]; entry; entry = read()[0]) {
      const { status, html } = await send(entry);
      if (status >= 500 || LATER.has(status)) return later(problemOf(status));
      remove(entry.fields.idempotency_key);
      wait = 1000;
      show(null);
      announce(status < 300 ? "delivered" : "refused", entry, html);
    }
  } catch {
    later("No connection; it is sent again by itself.");
  } finally {
    sending = false;
  }
}

/** Keep a verdict and send it. */
export function post(entry) {
  write([...read(), entry]);
  flush();
}

function flushNow() {
  wait = 1000;
  flush();
}

window.addEventListener("online", flushNow);
document.getElementById("unsent-retry").addEventListener("click", flushNow);
window.addEventListener("beforeunload", (event) => {
  if (memory?.length) event.preventDefault();
});
if (read().length) {
  show("A verdict from before is being sent.");
  flush();
}
