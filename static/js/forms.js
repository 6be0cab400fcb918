// What every form shares: a second press sends nothing, and the page that follows can show the address that was typed.

const KEY = "typed";
const AGAIN_AFTER = 10_000; // milliseconds: a page that does not come by then may be asked for once more
const FRESH = 60_000; // milliseconds between the press and the page that shows the address
const SHOWN_FOR = 30 * 60_000; // milliseconds: as long as the code from the mail works

const sent = new Map();

function release(form) {
  clearTimeout(sent.get(form));
  sent.delete(form);
  for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
}

// The address waits in this tab's storage from the press to the next page, which takes it out at once.
function hand(typed) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...typed, at: Date.now() }));
  } catch {
    // Storage is closed to us: the next page does not show the address.
  }
}

function take() {
  try {
    const typed = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    sessionStorage.removeItem(KEY);
    return Date.now() - typed.at < FRESH ? typed : {};
  } catch {
    return {};
  }
}

const typed = take();
const line = document.querySelector("[data-typed]");
let shown = "";

// Lines may break after @ and before dots.
const pieces = (address) => address.match(/\.?[^.@]+@?/g).flatMap((piece) => [document.createElement("wbr"), piece]);

function show(address) {
  shown = address;
  line.querySelector(".address").replaceChildren(...(address ? pieces(address) : []));
  line.hidden = !address;
}

if (line && typed.address) {
  show(typed.address);
  setTimeout(() => show(""), SHOWN_FOR);
  // Who goes back to this page later, on a shared device, does not find the address on it.
  window.addEventListener("pagehide", () => show(""));
  line.querySelector("a").addEventListener("click", () => hand({ address: shown, correct: true }));
}

const field = document.querySelector('form[data-carries] input[inputmode="email"]');
if (field && typed.correct && !field.value) field.value = typed.address;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (sent.has(form)) event.preventDefault();
  if (event.defaultPrevented) return;
  for (const button of form.querySelectorAll("button:not([type=button])")) button.setAttribute("aria-disabled", "true");
  sent.set(form, setTimeout(release, AGAIN_AFTER, form));
  // From the page that shows it, the code's form and the languages may lead to that page again.
  if (form.dataset.carries === undefined && !shown) return;
  const { submitter } = event;
  const address = submitter?.name === "email" ? submitter.value : (form.elements.email?.value ?? shown);
  if (address) hand({ address });
});

// A page that comes back from the browser's memory has not been sent.
window.addEventListener("pageshow", () => [...sent.keys()].forEach(release));

if (document.querySelector(".did-you-mean")) import("./address.js");
