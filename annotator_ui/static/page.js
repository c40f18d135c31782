// What every page understands: keys, dialogs, copy buttons. Templates say what does what:
//   data-keys="a ArrowLeft"   these keys press the element (or put the cursor into a text field)
//   data-opens="ID"           opens the dialog;   data-closes  closes the one it is in
//   data-toggles="NAME"       switches a class of <body> and remembers it
//   data-copies="ID"          copies the value of the field

const KEYS_OFF = "prefloop.single-keys-off";

const remembered = {
  get: (name) => { try { return localStorage.getItem(name) !== null; } catch { return false; } },
  set: (name, on) => {
    try { on ? localStorage.setItem(name, "1") : localStorage.removeItem(name); } catch { /* This browser keeps nothing; the setting lasts for the page. */ }
  },
};

export function say(text) {
  document.getElementById("status").textContent = text;
}

const isWriting = (element) =>
  element.matches("textarea, select, input:not([type=radio]):not([type=checkbox]):not([readonly])");

function pressKey(event) {
  const { target, key } = event;
  if (event.isComposing || event.altKey) return;
  if (isWriting(target)) {
    if (key === "Escape" && target.tagName === "TEXTAREA") target.blur();
    if (key === "Enter" && (event.ctrlKey || event.metaKey)) target.form?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (key.length === 1 && key !== "?" && remembered.get(KEYS_OFF)) return;
  // Enter on a link or button already means that one.
  if (key === "Enter" && target.closest("a, button, summary")) return;
  const wanted = key.length === 1 ? key.toLowerCase() : key;
  const element = [...document.querySelectorAll("[data-keys]")].find(
    (candidate) => candidate.dataset.keys.split(" ").includes(wanted) && !candidate.matches(":disabled"),
  );
  if (!element) return;
  event.preventDefault();
  if (event.repeat) return;
  if (isWriting(element)) element.focus();
  else element.click();
}

function toggle(name, on) {
  document.body.classList.toggle(name, on);
  for (const button of document.querySelectorAll(`[data-toggles="${name}"]`)) {
    button.setAttribute("aria-pressed", String(on));
  }
}

async function copy(button) {
  const field = document.getElementById(button.dataset.copies);
  field.select();
  // The clipboard exists only over HTTPS and on localhost; elsewhere the text is left selected.
  if (!navigator.clipboard) return;
  await navigator.clipboard.writeText(field.value);
  button.textContent = "Copied";
  say("Copied");
}

function click(event) {
  const button = event.target.closest("[data-opens], [data-closes], [data-toggles], [data-copies]");
  if (!button) return;
  const { opens, toggles } = button.dataset;
  if (opens) document.getElementById(opens).showModal();
  if ("closes" in button.dataset) button.closest("dialog").close();
  if (toggles) {
    const on = !document.body.classList.contains(toggles);
    remembered.set(`prefloop.${toggles}`, on);
    toggle(toggles, on);
  }
  if (button.dataset.copies) copy(button);
}

// "Something else" takes its value from the text field beside it.
function chooseOther(event) {
  const other = event.target;
  if (!other.matches(".other")) return;
  const radio = other.closest("fieldset").querySelector("[data-other]");
  radio.value = other.value;
  radio.checked = true;
}

export function restoreToggles() {
  toggle("plain-text", remembered.get("prefloop.plain-text"));
}

document.addEventListener("keydown", pressKey);
document.addEventListener("click", click);
document.addEventListener("input", chooseOther);
document.addEventListener("htmx:afterSettle", restoreToggles);
document.addEventListener("htmx:sendError", () => {
  document.getElementById("notice").innerHTML =
    '<p class="notice bad"><strong>No connection.</strong> That was not sent; try again when you are back online.</p>';
});
restoreToggles();
const singleKeys = document.getElementById("single-keys");
if (singleKeys) {
  singleKeys.checked = !remembered.get(KEYS_OFF);
  singleKeys.addEventListener("change", () => remembered.set(KEYS_OFF, !singleKeys.checked));
}
