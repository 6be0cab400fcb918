"""What the console says of mails: their kinds and states, and why some did not leave."""

from flask_babel import gettext, lazy_gettext

STREAMS = {
    "requested": lazy_gettext("Asked for in a form"),
    "security": lazy_gettext("About an account"),
    "notices": lazy_gettext("Notices to people affected"),
    "updates": lazy_gettext("Status updates and reminders"),
}
STATES = {
    "sent": lazy_gettext("Accepted by the email server"),
    "failed": lazy_gettext("Failed"),
    "uncertain": lazy_gettext("May have been sent: the email server gave no answer"),
    "bounced": lazy_gettext("Bounced"),
}
# Checks of the sender's domain whose name is no acronym.
CHECKS = {
    "sender's domain": lazy_gettext("Sender’s domain"),
    "SPF, DMARC and DKIM": lazy_gettext("SPF, DMARC and DKIM"),
}
PURPOSES = {
    "check": lazy_gettext("Answers to “Am I affected?”"),
    "notice": lazy_gettext("Notices to people affected"),
    "passkey-changed": lazy_gettext("News about a passkey"),
    "account-changed": lazy_gettext("News about an account"),
    "address-confirm": lazy_gettext("Links to confirm a new address"),
    "address-done": lazy_gettext("News about a new address"),
    "address-change": lazy_gettext("News about a new address"),
    "address-returned": lazy_gettext("News about a new address"),
    "address-restored": lazy_gettext("News about a new address"),
    "address-unused": lazy_gettext("News about a new address"),
    "former-address": lazy_gettext("News about a former address"),
    "second-step-lost": lazy_gettext("Lost second steps"),
    "second-step-removed": lazy_gettext("Lost second steps"),
    "reset": lazy_gettext("Links to a new password"),
    "reset-required": lazy_gettext("Required new passwords"),
    "password-changed": lazy_gettext("News about a new password"),
    "reported-locked": lazy_gettext("Accounts locked by their owner"),
    "rotation-reminder": lazy_gettext("Reminders to change a password"),
    "reminder-link": lazy_gettext("Links to the reminders"),
    "subscribe": lazy_gettext("Links to confirm a subscription"),
    "status-update": lazy_gettext("Status updates"),
    "my-data": lazy_gettext("Copies of a person’s data"),
    "erase-account": lazy_gettext("Links to erase an account"),
    "erased": lazy_gettext("News about an erased account"),
    "case-verify": lazy_gettext("Cases of lost inboxes"),
    "case-notice": lazy_gettext("Cases of lost inboxes"),
    "case-reset": lazy_gettext("Cases of lost inboxes"),
    "checklist-reminder": lazy_gettext("Email to staff"),
    "staff-invitation": lazy_gettext("Email to staff"),
    "approval-needed": lazy_gettext("Email to staff"),
    "posted-alone": lazy_gettext("Email to staff"),
    "sent-back": lazy_gettext("Email to staff"),
}
REASONS = {
    "altered": lazy_gettext("Somebody changed the stored email outside the portal. It can’t be sent."),
    "outdated": lazy_gettext("Its link expired while it waited, or nobody needs it any more."),
    "stopped": lazy_gettext("Its notice was stopped."),
    "withdrawn": lazy_gettext("It was withdrawn while it was being sent."),
    "not-prepared": lazy_gettext("The portal couldn’t prepare it. The server’s log says why."),
    "not-composed": lazy_gettext("The portal couldn’t write it. The server’s log says why."),
    "not-handed-over": lazy_gettext("The portal couldn’t hand it over. The server’s log says why."),
    "connection-lost": lazy_gettext("The connection to the email server broke."),
    "no-connection": lazy_gettext("The email server couldn’t be reached."),
    "too-slow": lazy_gettext("The email server was too slow."),
    "odd-answer": lazy_gettext("The email server gave an answer that nobody understands."),
    "certificate": lazy_gettext("The email server’s certificate isn’t trusted."),
    "no-tls-or-auth": lazy_gettext("The email server offers no encryption, or no sign-in."),
    "authentication": lazy_gettext("The email server rejects our user or password."),
    "no-ascii-password": lazy_gettext("Our password for the email server has letters it can’t take."),
    "smtp-421": lazy_gettext("The email server was busy, or we sent too fast."),
    "smtp-450": lazy_gettext("The inbox was busy. We try again."),
    "smtp-451": lazy_gettext("The email server asked us to try later."),
    "smtp-452": lazy_gettext("The inbox or the email server was full."),
    "smtp-454": lazy_gettext("We sent too fast, or the sign-in failed for a moment."),
    "smtp-530": lazy_gettext("The email server wants us to sign in."),
    "smtp-535": lazy_gettext("The email server rejects our user or password."),
    "smtp-550": lazy_gettext("The address doesn’t exist, or the email server refused it."),
    "smtp-551": lazy_gettext("The inbox has moved."),
    "smtp-552": lazy_gettext("The inbox is full."),
    "smtp-553": lazy_gettext("The email server doesn’t accept this address."),
    "smtp-554": lazy_gettext("The email server refused it, often because it distrusts the sender."),
}


def reason_words(reason: str) -> str:
    """Return in plain words why a mail did not leave; a code without words is shown as it is."""
    words = REASONS.get(reason)
    if words is not None:
        return str(words)
    if reason.startswith("smtp-4"):
        return str(gettext("The email server couldn’t take it then."))
    if reason.startswith("smtp-5"):
        return str(gettext("The email server refused it for good."))
    return str(gettext("No reason was stored.") if reason == "-" else reason)


def purpose_words(purposes: dict[str, int]) -> list[tuple[str, int]]:
    """Return the kinds of mails in words, with their numbers, the most first."""
    found: dict[str, int] = {}
    for purpose, number in purposes.items():
        words = str(PURPOSES.get(purpose, purpose))
        found[words] = found.get(words, 0) + number
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))
