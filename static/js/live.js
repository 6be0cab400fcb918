// Shows how far some work is, and loads the page again once it goes on to something else. Without script the page
// refreshes, or has a link to look again.

const LOOK_MILLISECONDS = 2000;

async function told(box) {
  const answer = await fetch(box.dataset.live, { cache: "no-store" }).catch(() => null);
  return answer && answer.ok && !answer.redirected ? answer.json().catch(() => null) : null;
}

function show(box, { percent, words, facts }) {
  const bar = box.querySelector("progress");
  const status = box.querySelector("[role=status]");
  if (bar && percent !== undefined) bar.value = percent;
  if (status && words !== undefined && status.textContent !== words) status.textContent = words;
  for (const [name, number] of Object.entries(facts ?? {})) {
    const cell = box.querySelector(`[data-fact="${name}"]`);
    if (cell) cell.textContent = number;
  }
}

async function look(box) {
  const now = document.hidden ? null : await told(box);
  if (now && now.state !== box.dataset.state) {
    location.reload();
    return;
  }
  if (now) show(box, now);
  setTimeout(look, LOOK_MILLISECONDS, box);
}

for (const box of document.querySelectorAll("[data-live]")) setTimeout(look, LOOK_MILLISECONDS, box);
