// Asks the browser for a passkey, or to make one, and sends the answer with the form that asks. The question is in the
// page, or fetched where the page has none; one that is open for long fetches it again. Without passkeys in this browser, nothing of it shows.

const FRESH = 4 * 60_000; // milliseconds: a question can be answered for five minutes

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));

function text(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const descriptors = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

function publicKey(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
    ...(options.allowCredentials && { allowCredentials: descriptors(options.allowCredentials) }),
    ...(options.excludeCredentials && { excludeCredentials: descriptors(options.excludeCredentials) }),
  };
}

function answer({ id, type, response }) {
  const given = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    given.attestationObject = text(response.attestationObject);
    given.transports = response.getTransports?.() ?? [];
  } else {
    given.authenticatorData = text(response.authenticatorData);
    given.signature = text(response.signature);
    given.userHandle = response.userHandle ? text(response.userHandle) : null;
  }
  return JSON.stringify({ id, type, response: given });
}

class Question {
  constructor(form) {
    this.form = form;
    this.field = form.elements[form.dataset.field ?? "passkey"];
    this.options = form.dataset.passkey ? JSON.parse(form.dataset.passkey) : null;
    this.askedAt = this.options ? Date.now() : 0;
    this.offering = null;
    form.hidden = false;
    form.addEventListener("submit", (event) => this.press(event));
    window.addEventListener("pageshow", (event) => event.persisted && this.again());
    document.addEventListener("visibilitychange", () => this.renew());
    if (form.dataset.question) setInterval(() => this.renew(), FRESH / 4);
  }

  // The first press asks the browser; what it answers is then sent. Where a name is missing nothing is made: the server
  // says so.
  async press(event) {
    if (this.field.value || !this.form.checkValidity()) return;
    event.preventDefault();
    this.offering?.abort();
    this.show(null);
    if (!this.options) await this.renew();
    if (!this.options) return this.show("other");
    const create = "user" in this.options;
    const options = { publicKey: publicKey(this.options) };
    try {
      this.send(await (create ? navigator.credentials.create(options) : navigator.credentials.get(options)));
    } catch (error) {
      this.show({ NotAllowedError: "stopped", AbortError: "stopped", InvalidStateError: "already" }[error.name] ?? "other");
      this.offer();
    }
  }

  send(credential) {
    this.field.value = answer(credential);
    this.form.requestSubmit();
  }

  show(fault) {
    for (const line of this.form.querySelectorAll("[data-fault]")) line.hidden = line.dataset.fault !== fault;
  }

  // Browsers offer passkeys in the field for the address, until this is aborted.
  async offer() {
    if (this.form.dataset.offered === undefined) return;
    if (!this.options) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    this.offering?.abort();
    const offering = (this.offering = new AbortController());
    const { signal } = offering;
    try {
      this.send(await navigator.credentials.get({ publicKey: publicKey(this.options), mediation: "conditional", signal }));
    } catch {
      // It was aborted, or the browser has none to offer: the button and the password are still there.
    }
  }

  // A page that comes back from the browser's memory has an answer that was sent, and an old question.
  again() {
    this.field.value = "";
    this.askedAt = 0;
    this.renew();
  }

  async renew() {
    const { question } = this.form.dataset;
    if (!question || document.hidden || this.field.value || Date.now() - this.askedAt < FRESH) return;
    const fetched = await fetch(question, { cache: "no-store" }).catch(() => null);
    if (!fetched?.ok) return;
    this.options = await fetched.json();
    this.askedAt = Date.now();
    this.offer();
  }
}

if (window.PublicKeyCredential && navigator.credentials) {
  for (const line of document.querySelectorAll("[data-without-passkeys]")) line.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const question = new Question(form);
    if (question.options) question.offer();
    else question.renew();
  }
}
