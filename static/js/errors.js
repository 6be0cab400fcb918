// The error summary takes focus when a form comes back, so that everyone lands on what went wrong. An error goes when
// what it is about is mended, as far as the page can tell; the server judges again.

const summary = document.querySelector(".error-summary");

if (summary) {
  // Where the browser knows `autofocus` on any element, the summary has the focus already.
  window.addEventListener("load", () => {
    if (document.activeElement !== summary) summary.focus();
  });
  for (const link of summary.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      const field = document.getElementById(link.hash.slice(1));
      if (!field) return;
      event.preventDefault();
      const question = field.closest("fieldset, .field") ?? field;
      question.scrollIntoView({ block: "start" });
      field.focus({ preventScroll: true });
    });
  }
}

const ADDRESS = /^\s*[^\s@]+@[^\s@]+\.[^\s@]{2,}\s*$/u;

function isMended(input) {
  if (input.inputMode === "email") return ADDRESS.test(input.value);
  const length = Number(input.dataset.length);
  if (length) return input.value.match(/[\p{L}\p{N}]/gu)?.length === length;
  return input.type === "radio" || input.value.trim() !== "";
}

// What nobody can see any more must not be read out either: the error, its line at the top, its name in the title.
function mend(field, input, status) {
  const top = input.getBoundingClientRect().top;
  const error = field.querySelector(".error");
  const prefix = `${error.querySelector(".hidden").textContent} `;
  for (const each of [field, ...field.querySelectorAll("input")]) {
    each.removeAttribute("aria-invalid");
    const others = each.getAttribute("aria-describedby")?.split(" ").filter((id) => id !== error.id) ?? [];
    if (others.length) each.setAttribute("aria-describedby", others.join(" "));
    else each.removeAttribute("aria-describedby");
    for (const link of summary?.querySelectorAll(`a[href="#${each.id}"]`) ?? []) link.closest("li").remove();
  }
  field.classList.replace("failed", "mended");
  error.replaceChildren();
  if (document.querySelector(".field.failed")) status.textContent = error.dataset.gone;
  else {
    finish();
    if (document.title.startsWith(prefix)) document.title = document.title.slice(prefix.length);
  }
  // Nothing moves under somebody's fingers: what cannot be scrolled stays empty.
  const moved = top - input.getBoundingClientRect().top;
  if (moved > scrollY) error.style.minBlockSize = `${moved - scrollY}px`;
  scrollBy({ top: -Math.min(moved, scrollY), behavior: "instant" });
}

// Says at the top how to go on, when no error is left.
function finish() {
  if (!summary) return;
  const words = document.createElement("p");
  words.textContent = summary.dataset.mended;
  summary.classList.add("mended");
  summary.removeAttribute("aria-labelledby");
  summary.setAttribute("role", "status");
  summary.replaceChildren(words);
}

for (const field of document.querySelectorAll(".field.failed")) {
  const status = document.createElement("p");
  status.className = "hidden";
  status.setAttribute("role", "status");
  field.append(status);
  const once = ({ target }) => field.classList.contains("failed") && mend(field, target, status);
  field.addEventListener("mended", once);
  document.documentElement.style.overflowAnchor = "none"; // we do it
  // A new password is judged by js/password.js, which says when it is mended.
  if (!field.querySelector(".strength")) {
    field.addEventListener("input", (event) => isMended(event.target) && once(event));
  }
}
