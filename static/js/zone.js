// Says in UTC what a time typed in the organisation's zone is, as the server will read it.

const TIME = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)$/;
const PARTS = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", hourCycle: "h23" };

// How many milliseconds the zone's clocks are ahead of UTC at a moment.
function ahead(at, timeZone) {
  const parts = new Intl.DateTimeFormat("en", { ...PARTS, timeZone }).formatToParts(at);
  const [year, month, day, hour, minute] = Object.keys(PARTS).map((name) => Number(parts.find((part) => part.type === name)?.value));
  return Date.UTC(year, month - 1, day, hour, minute) - at;
}

function inUtc(text, zone) {
  const typed = TIME.exec(text.trim());
  if (!typed) return "";
  const [year, month, day, hour, minute] = typed.slice(1).map(Number);
  const shown = Date.UTC(year, month - 1, day, hour, minute);
  const at = shown - ahead(shown - ahead(shown, zone), zone);
  return `= ${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

document.querySelectorAll("input[data-zone]").forEach((field) => {
  const echo = document.getElementById(`${field.id}-echo`);
  const show = () => {
    echo.textContent = inUtc(field.value, field.dataset.zone);
  };
  field.addEventListener("input", show);
  show();
});
