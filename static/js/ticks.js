// Remembers ticked steps on this device only. Without storage they last as long as the page.

const KEY = "ticks";

function load() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return null; // storage is closed to us, or holds something that we did not write
  }
}

const ticked = load();

for (const box of document.querySelectorAll("input[data-tick]")) {
  if (!ticked) break;
  box.checked = ticked.has(box.dataset.tick);
  box.addEventListener("change", () => {
    // Read once more: another tab may have ticked other steps since, or closed its answer and its ticks with it.
    const now = load() ?? new Set();
    if (box.checked) now.add(box.dataset.tick);
    else now.delete(box.dataset.tick);
    localStorage.setItem(KEY, JSON.stringify([...now]));
  });
}

// Who closes the answer leaves nothing of it on a shared device.
document.querySelector('form[action$="/check/answer/close/"]')?.addEventListener("submit", () => {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Storage is closed to us: there is nothing in it.
  }
});

// How far somebody is: the words come from the page, in its language.
for (const progress of document.querySelectorAll("[data-progress]")) {
  const boxes = [...progress.nextElementSibling.querySelectorAll("input[data-tick]")];
  const show = () => {
    const done = boxes.filter((box) => box.checked).length;
    progress.querySelector("progress").max = boxes.length;
    progress.querySelector("progress").value = done;
    progress.querySelector("[role=status]").textContent = progress.dataset.progress
      .replace("{done}", done)
      .replace("{all}", boxes.length);
  };
  for (const box of boxes) box.addEventListener("change", show);
  show();
  progress.hidden = boxes.length === 0;
}

for (const place of document.querySelectorAll("[data-print]")) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => print());
}

for (const note of document.querySelectorAll("[data-ticks-note]")) note.hidden = !ticked;
