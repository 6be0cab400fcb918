// Asks back while somebody types an address at a domain that is often mistyped. The server asks too, after the press.

import { lines } from "./lists.js";

const PAUSE = 400; // milliseconds without a key, before it is asked and read out

const load = async () => new Map((await lines("mistyped-domains.txt")).map((line) => line.split(" ")));

function watch(question, input) {
  const [words, button] = question.children;
  let list = null;
  let meant = null;
  let timer = 0;

  async function ask() {
    // Where the list does not come, the next pause asks for it again; the server asks in any case.
    list ??= await load().catch(() => null);
    const [local, domain] = input.value.trim().split("@");
    const right = list?.get(domain?.toLowerCase());
    meant = right ? `${local}@${right}` : null;
    words.textContent = meant ? question.dataset.question.replace("{address}", meant) : "";
    button.hidden = !meant;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  button.addEventListener("click", () => {
    input.value = meant;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
    ask();
  });
  if (input.value !== input.defaultValue) ask(); // typed before this script was here
}

for (const question of document.querySelectorAll(".did-you-mean")) {
  watch(question, question.closest(".field").querySelector("input"));
}
