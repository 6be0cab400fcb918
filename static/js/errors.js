// The error summary takes focus when a form comes back, so that everyone lands on what went wrong.

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
