// Password fields: show and hide, suggestions to take with one press, strength in words. Nothing leaves the page.

const PAUSE = 200; // milliseconds without a key, before the strength is estimated and read out

function part(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

// A button that shows what is typed. It hides it again before the form goes, so that no browser keeps it as plain text.
function visibility(field, input) {
  const button = part("button", { type: "button", className: "quiet" });
  const whole = field.querySelector(".whole");
  const status = part("span", { className: "hidden" });
  status.setAttribute("role", "status");
  const say = (text) => (status.textContent = text);
  button.setAttribute("aria-controls", input.id);

  function show(visible) {
    input.type = visible ? "text" : "password";
    const { show: showWord, hide: hideWord, showAll, hideAll } = field.dataset;
    button.textContent = visible ? hideWord : showWord;
    button.setAttribute("aria-label", visible ? hideAll : showAll);
    spell();
  }

  // What does not fit into the field stands below it, whole.
  function spell() {
    if (!whole) return;
    whole.hidden = input.type === "password" || input.scrollWidth <= input.clientWidth;
    whole.textContent = whole.hidden ? "" : input.value;
  }

  button.addEventListener("click", () => {
    show(input.type === "password");
    say(input.type === "text" ? field.dataset.shown : field.dataset.hidden);
  });
  input.addEventListener("input", spell);
  input.form?.addEventListener("submit", () => show(false));
  window.addEventListener("pageshow", () => show(false));
  show(false);
  input.after(button);
  field.append(status);
  return { show, say };
}

function meter(box, input) {
  const line = box.querySelector(".strength-words");
  const words = box.dataset.words.split("|");
  const minimum = Number(box.dataset.minimum);
  const known = box.dataset.known.split("\n");
  let estimate = null;
  let loading = false;
  let timer = 0;
  box.hidden = false;

  function tell() {
    const missing = minimum - [...input.value.normalize("NFC")].length;
    const result = input.value && estimate ? estimate(input.value, known) : null;
    if (!input.value || (missing <= 0 && !result)) {
      delete box.dataset.level;
      line.textContent = "";
    } else if (missing > 0) {
      box.dataset.level = "1";
      line.textContent = `${box.dataset.missing} ${missing}`;
    } else if (result.refused) {
      box.dataset.level = "1";
      line.textContent = `${box.dataset.refused} ${box.dataset.advice}`;
    } else {
      box.dataset.level = result.level;
      line.textContent = result.level < 3 ? `${words[result.words]} ${box.dataset.advice}` : words[result.words];
    }
    const judged = result ? !result.refused : !loading;
    if (input.value && missing <= 0 && judged) input.dispatchEvent(new Event("mended", { bubbles: true }));
  }

  // Where the lists do not come (no network just now, or the page is being left), nothing is said about the strength,
  // and the next focus asks for them again. The server judges the password anyway. For the modules themselves some
  // browsers remember that they did not come, until the page is loaded anew.
  const load = async () => {
    if (loading) return;
    loading = true;
    try {
      estimate = await (await import("./strength.js")).prepare();
      tell();
    } catch {
      loading = false;
      tell();
    }
  };
  input.addEventListener("focus", load);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(tell, PAUSE);
  });
  if (input === document.activeElement) load(); // somebody was here before this script
  return load;
}

for (const field of document.querySelectorAll("[data-password]")) {
  const input = field.querySelector("input");
  if (input.dataset.passwordrules) input.setAttribute("passwordrules", input.dataset.passwordrules);
  const { show, say } = visibility(field, input);
  const box = field.querySelector(".strength");
  const load = box ? meter(box, input) : null;
  for (const button of field.querySelectorAll("[data-suggestion]")) {
    button.hidden = false;
    button.previousElementSibling.hidden = true;
    button.addEventListener("click", () => {
      input.value = button.dataset.suggestion;
      show(true);
      load?.();
      input.dispatchEvent(new Event("input", { bubbles: true }));
      say(field.dataset.taken);
      const save = input.form.querySelector("button[type=submit]");
      save.focus({ preventScroll: true });
      save.scrollIntoView({ block: "center", behavior: "instant" }); // the field is just above it
    });
  }
}
