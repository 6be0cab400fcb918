// Saves what is typed in a form[data-autosave] by itself, shows what the checker says of it, and jumps to the place. A save
// names the one that it is based on; where the connection broke, the same save is sent again, so that it is no conflict.

const PAUSE = 2000;
const RETRY = 5000;

const form = document.querySelector("form[data-autosave]");
const base = form.elements.base;
const status = form.querySelector(".saved");
const screen = document.querySelector(".screen");
let sent = content();
let sending = false;
let timer = 0;

function content() {
  const fields = new FormData(form);
  fields.delete("base");
  fields.delete("csrf_token");
  return new URLSearchParams(fields).toString();
}

const isChanged = () => content() !== sent;

function say(words) {
  status.textContent = words;
}

function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(save, milliseconds);
}

async function save() {
  if (sending || !isChanged()) return;
  sending = true;
  say(form.dataset.saving);
  const saved = await send(content(), new URLSearchParams(new FormData(form)));
  sending = false;
  if (saved && isChanged()) later(PAUSE);
}

// Returns whether it was saved.
async function send(text, body) {
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer || answer.status >= 500) {
    say(form.dataset.offline);
    await new Promise((done) => setTimeout(done, RETRY));
    return send(text, body);
  }
  const told = await answer.json().catch(() => null);
  if (answer.status === 409 && told) {
    // What was typed while it was sent is set aside too.
    if (content() !== text) return send(content(), new URLSearchParams(new FormData(form)));
    sent = text;
    location.assign(told.conflict);
    return false;
  }
  if (answer.redirected || !answer.ok || !told) {
    say(form.dataset.signedOut);
    return false;
  }
  sent = text;
  base.value = told.base;
  say(told.saved);
  show(told.told);
  echo(told.echoes);
  tellOfRequest(told.cancelled);
  screen?.querySelector("iframe[src]")?.contentWindow.location.reload();
  return true;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function show(told) {
  const list = document.querySelector(".checks");
  list.replaceChildren(
    ...told.map((one) => {
      const item = element("li", "", { class: `check ${one.weight}` });
      item.append(element("b", one.kind));
      if (one.part) item.append(" · ", element("a", one.place, { href: `#${one.part}`, "data-line": one.line }));
      item.append(element("span", one.reason, one.lang ? { lang: one.lang } : {}));
      if (one.example) item.append(element("pre", one.example));
      return item;
    }),
  );
  document.querySelector(".no-checks").hidden = told.length > 0;
  const count = document.querySelector(".count");
  count.textContent = `${count.dataset.words}: ${told.length}`;
}

// An edit cancels a request for approval: its author is told where they write.
function tellOfRequest(cancelled) {
  if (!cancelled) return;
  document.querySelector("[data-request=waits]").hidden = true;
  document.querySelector("[data-request=void]").hidden = false;
}

function echo(echoes) {
  Object.entries(echoes ?? {}).forEach(([part, words]) => {
    document.querySelector(`[data-echo="${part}"]`).textContent = words;
  });
}

function jump(event) {
  const link = event.target.closest("a[data-line]");
  const field = link && document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  field.closest("details")?.setAttribute("open", "");
  field.focus();
  const line = Number(link.dataset.line);
  if (!field.setSelectionRange || line < 1) return;
  const lines = field.value.split("\n");
  const begin = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  field.setSelectionRange(begin, begin + (lines[line - 1] ?? "").length);
}

function showPreview() {
  const box = document.querySelector("[data-preview]");
  if (!box) return;
  box.hidden = false;
  const frame = screen.querySelector("iframe");
  frame.src = frame.dataset.src;
  const buttons = box.querySelectorAll("button[data-width]");
  buttons.forEach((button) =>
    button.addEventListener("click", () => {
      screen.className = `screen ${button.dataset.width}`;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    }),
  );
}

form.addEventListener("input", () => {
  say(form.dataset.unsaved);
  later(PAUSE);
});
form.addEventListener("submit", () => {
  sent = content();
});
document.addEventListener("click", jump);
addEventListener("beforeunload", (event) => {
  if (isChanged()) event.preventDefault();
});
showPreview();
