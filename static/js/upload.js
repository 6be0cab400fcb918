// Sends a file in pieces that go on where they stopped, and shows how far the worker is. Without this script the form
// sends the whole file in one request.
const PIECE = 8 * 1024 * 1024;
const LOOK_MILLISECONDS = 1000;
const AGAIN_MILLISECONDS = 3000;
const GONE_ON = [0, 429, 502, 503, 504];

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// fetch() tells nothing of how far a body is; a workbook is one body.
function put(url, body, headers, moved) {
  return new Promise((resolve) => {
    const asked = new XMLHttpRequest();
    asked.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) asked.setRequestHeader(name, value);
    asked.responseType = "json";
    asked.upload.onprogress = (event) => moved(event.loaded);
    asked.onload = () => resolve({ status: asked.status, told: asked.response || {} });
    asked.onerror = asked.ontimeout = asked.onabort = () => resolve({ status: 0, told: {} });
    asked.send(body);
  });
}

class Sending {
  constructor(form) {
    this.form = form;
    this.status = form.querySelector(".sending [role=status]");
    this.bar = form.querySelector(".sending progress");
    this.button = form.querySelector("button");
    this.token = form.elements.csrf_token.value;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start(form.elements.file.files[0]);
    });
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  show(sent, size) {
    const percent = Math.floor((100 * sent) / size);
    this.bar.value = percent;
    // Said aloud at each tenth only.
    if (percent >= this.next || percent === 100) {
      this.say(this.form.dataset.sending.replace("{percent}", percent));
      this.next = percent - (percent % 10) + 10;
    }
  }

  stop(text) {
    this.say(text || this.form.dataset.failed);
    this.button.disabled = false;
  }

  async start(file) {
    if (!file) return;
    this.next = 0;
    this.button.disabled = true;
    this.form.querySelector(".sending").hidden = false;
    const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
    const workbook = head[0] === 0x50 && head[1] === 0x4b;
    // Kept nowhere as it is: the server can only tell whether it is the same file.
    this.name = encodeURIComponent(`${file.name} ${file.lastModified}`).slice(0, 600);
    let place = this.form.dataset.content && (await this.position(this.form.dataset.content));
    if (!place) place = await this.begin(file, workbook);
    if (!place) return;
    if (workbook) await this.sendWorkbook(file, place);
    else await this.sendPieces(file, place);
  }

  async position(url) {
    const answer = await fetch(url, { cache: "no-store" }).catch(() => null);
    return answer && answer.ok ? answer.json() : null;
  }

  async begin(file, workbook) {
    const fields = new FormData();
    fields.set("csrf_token", this.token);
    fields.set("purpose", this.form.elements.purpose.value);
    fields.set("form", workbook ? "sheet" : "text");
    fields.set("size", file.size);
    fields.set("name", this.name);
    const answer = await fetch(this.form.dataset.begin, { method: "POST", body: fields }).catch(() => null);
    const told = answer && (await answer.json().catch(() => null));
    if (answer && answer.ok && told) return told;
    this.stop(told && told.words);
    return null;
  }

  headers(more) {
    return { "X-CSRFToken": this.token, "Upload-Name": this.name, "Content-Type": "application/octet-stream", ...more };
  }

  async sendPieces(file, place) {
    let at = place.received;
    while (at < file.size) {
      const piece = file.slice(at, at + PIECE);
      const { status, told } = await put(place.content, piece, this.headers({ "Upload-Offset": at }), (loaded) =>
        this.show(at + loaded, file.size),
      );
      if (status === 200 || status === 409) {
        at = told.received;
        this.show(at, file.size);
      } else if (GONE_ON.includes(status)) {
        this.say(this.form.dataset.again);
        this.next = 0;
        await pause(AGAIN_MILLISECONDS);
        const now = await this.position(place.content);
        if (now) at = now.received;
      } else {
        this.stop(told.words);
        return;
      }
    }
    location.assign(place.page);
  }

  async sendWorkbook(file, place) {
    const sheet = this.form.elements.sheet.value;
    const url = sheet ? `${place.content}?sheet=${encodeURIComponent(sheet)}` : place.content;
    const { status, told } = await put(url, file, this.headers({}), (loaded) => {
      this.show(loaded, file.size);
      if (loaded === file.size) this.say(this.form.dataset.reading);
    });
    if (status === 200) location.assign(place.page);
    else if (told.sheets) this.askSheet(told.sheets);
    else this.stop(told.words);
  }

  askSheet(sheets) {
    const box = this.form.querySelector("[data-sheets]");
    const input = box.querySelector("[name=sheet]");
    const select = document.createElement("select");
    select.id = input.id;
    select.name = "sheet";
    for (const sheet of sheets) select.add(new Option(sheet));
    input.replaceWith(select);
    box.hidden = false;
    this.stop(this.form.dataset.sheet);
    select.focus();
  }
}

async function follow(box) {
  const bar = box.querySelector("progress");
  const status = box.querySelector("[role=status]");
  for (;;) {
    await pause(LOOK_MILLISECONDS);
    const answer = await fetch(box.dataset.progress, { cache: "no-store" }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) continue;
    const told = await answer.json().catch(() => null);
    if (!told) continue;
    if (told.state !== "waiting" && told.state !== "working") {
      location.reload();
      return;
    }
    bar.value = told.percent;
    status.textContent = told.words;
  }
}

for (const form of document.querySelectorAll("form.send")) new Sending(form);
for (const box of document.querySelectorAll("[data-progress]")) follow(box);
