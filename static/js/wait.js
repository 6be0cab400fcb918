// Opens what this page waits for as soon as it is there. HEAD looks and changes nothing, so only the page that is then
// loaded takes the answer, and it comes once.
const FIRST_SECONDS = 1;
const TICK_SECONDS = 0.5;

async function look() {
  const answer = await fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" }).catch(() => null);
  if (answer && answer.status !== 200) {
    location.reload();
    return;
  }
  setTimeout(look, TICK_SECONDS * 1000);
}

document.querySelector("[data-ready]").hidden = false;
setTimeout(look, FIRST_SECONDS * 1000);
