// Shows what becomes of a colour while somebody types or picks it. The server computes it: nothing is saved.

const PAUSE = 150;
const COLOUR = /^#[0-9a-f]{6}$/i;

const field = document.querySelector("#value");
const picker = document.querySelector("#picker");
const samples = document.querySelector("#samples");
const style = document.querySelector("#sample-style");
const decimal = new Intl.NumberFormat(document.documentElement.lang || "en");
let timer = 0;

async function show(colour) {
  const query = new URLSearchParams({ colour: colour.slice(1).toLowerCase() });
  const answer = await fetch(`/settings/colour.json?${query}`).catch(() => null);
  if (!answer?.ok || answer.redirected || field.value.trim() !== colour) return;
  const told = await answer.json();
  style.href = `/settings/colour.css?${query}`;
  for (const place of samples.querySelectorAll("[data-is]")) {
    const said = told[place.closest("[data-mode]").dataset.mode][place.dataset.is];
    place.textContent = typeof said === "number" ? decimal.format(said) : said;
  }
  samples.querySelector("#sample-colour").textContent = samples.dataset.says.replace("{colour}", colour.toLowerCase());
}

function later() {
  const colour = field.value.trim();
  clearTimeout(timer);
  if (!COLOUR.test(colour)) return;
  picker.value = colour.toLowerCase();
  timer = setTimeout(() => show(colour), PAUSE);
}

picker.hidden = false;
field.addEventListener("input", later);
picker.addEventListener("input", () => {
  field.value = picker.value;
  later();
});
