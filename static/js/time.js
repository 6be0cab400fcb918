// Turns times into the reader's own zone, and keeps UTC beside it.

// In English too the day comes before the month, as everywhere else on the page.
const shown = document.documentElement.lang || "en";
const language = shown === "en" ? "en-GB" : shown;
const day = { year: "numeric", month: "long", day: "numeric" };
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

const words = (at, options) => new Intl.DateTimeFormat(language, options).format(at);

const zoneName = (at) =>
  new Intl.DateTimeFormat(language, { ...clock, timeZoneName: "short" })
    .formatToParts(at)
    .find((part) => part.type === "timeZoneName").value;

function localise(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) return;
  const sameDay = words(at, day) === words(at, { ...day, timeZone: "UTC" });
  const utc = words(at, { ...(sameDay ? {} : day), ...clock, timeZone: "UTC" });
  const aside = document.createElement("span");
  aside.className = "zone";
  aside.textContent = ` (${utc}\u00a0UTC)`;
  element.replaceChildren(`${words(at, day)}, ${words(at, clock)}\u00a0${zoneName(at)}`, aside);
}

document.querySelectorAll("time[data-moment]").forEach(localise);
