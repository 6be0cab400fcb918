"""`portal outbox`: count mails, retry failed ones, pause; `portal doctor`: check the relay and the pause."""

import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from textwrap import shorten

import click

from portal.core.db import Database
from portal.core.one_line import is_plain
from portal.core.service_urls import MailServer
from portal.core.settings import Settings
from portal.outbox import pace, service
from portal.outbox.bulk import lanes, retrying
from portal.outbox.models import MailPause
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context

CONNECT_SECONDS = 5
LONGEST_WORDS = 160
# Why a relay cannot be used, by the error: the first that fits.
_WHY_NOT: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "rejects the user or password"),
    (UnicodeError, "rejects the user or password"),
    (smtplib.SMTPNotSupportedError, "offers no STARTTLS, or no AUTH"),
    (ssl.SSLCertVerificationError, "has an untrusted certificate, or one for another host name"),
    (ssl.SSLError, "does not speak TLS on this port as PORTAL_MAIL_URL requires"),
    (socket.gaierror, "has a host name that does not resolve"),
    (TimeoutError, f"does not answer within {CONNECT_SECONDS} seconds"),
    (ConnectionRefusedError, "refuses the connection: nothing listens on this port"),
)
TAKEN = 200


@click.group()
def outbox() -> None:
    """Show, retry or pause outgoing mail."""


@outbox.command()
@AS_JSON
@click.pass_obj
def status(context: Context, *, as_json: bool) -> None:
    """Print the number of mails in each state.

    Further lines say why some failed or wait, and how fast the relay accepts mail. uncertain: it may have
    been sent. bounced: not known in this version, always 0.
    """
    with context.db.read() as session:
        counts = service.counts(session)
        failures = service.failures(session)
        delays = service.delays(session)
        paces = pace.paces(session)
        pause = lanes.pause_of(session)
        cause = service.why_degraded(session, context.clock.now())
    if as_json:
        paused = {"since": pause.paused_at, "reason": pause.reason} if pause else None
        echo_json(
            {
                "states": counts,
                "all": sum(counts.values()),
                "failed_because": failures,
                "waiting_because": delays,
                "mails_per_second": paces,
                "paused": paused,
                "degraded": cause,
            }
        )
        return
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    click.echo(f"{'all':<10} {sum(counts.values()):>10}")
    for reason, number in failures.items():
        click.echo(f"failed because of {reason}: {number}")
    for reason, number in delays.items():
        click.echo(f"waiting because of {reason}: {number}")
    for relay, rate in paces.items():
        click.echo(f"{relay} accepts about {rate:.1f} a second")
    if pause is not None:
        click.echo(_paused(pause))
    if cause is not None:
        click.echo(f"degraded: {cause}")


@outbox.command()
@click.option("--reason", help="Only mails with this reason, as `portal outbox status` prints it.")
@click.option(
    "--uncertain",
    is_flag=True,
    help="Retry uncertain mails instead. Anyone who already received one will receive it twice.",
)
@click.pass_obj
def retry(context: Context, reason: str | None, uncertain: bool) -> None:
    """Queue failed mails again, once the cause is fixed.

    Skips mails that were requested in a form more than a day ago, because the person has asked again or the
    link has expired.
    """
    now = context.clock.now()
    with context.db.write() as session:
        known = service.failures(session) | (service.delays(session) if uncertain else {})
        if reason is not None and reason not in known:
            listed = ", ".join(known) or "none"
            raise click.ClickException(
                f"No mail has failed because of '{reason}'. Reasons: {listed}. See: portal outbox status"
            )
        number = retrying.retry_failed(session, reason, now, uncertain=uncertain)
    click.echo(f"Queued again: {number}.")


@outbox.command()
@click.option(
    "--reason",
    required=True,
    help="Why. `portal outbox status` and `portal doctor` show it; the audit log keeps it.",
)
@click.pass_obj
def pause(context: Context, reason: str) -> None:
    """Stop notices and updates at once, on all workers.

    Mail that was requested in a form still goes out, and so do warnings about an account. What a worker has
    already handed to the relay cannot be called back. To go on: portal outbox resume
    """
    if not 0 < len(reason.strip()) <= lanes.LONGEST_REASON or not is_plain(reason):
        raise click.UsageError(f"--reason must be one line of at most {lanes.LONGEST_REASON} characters.")
    with context.db.write() as session:
        new = lanes.pause(session, reason.strip(), context.clock.now())
    click.echo(
        "Notices and updates are paused. To go on: portal outbox resume"
        if new
        else "They were already paused; the first reason stays."
    )


@outbox.command()
@click.pass_obj
def resume(context: Context) -> None:
    """Send notices and updates again after a pause."""
    with context.db.write() as session:
        ended = lanes.resume(session, context.clock.now())
    click.echo("Notices and updates are sent again." if ended else "They were not paused.")


def check_pause(db: Database) -> Iterator[tuple[str, str | None]]:
    """Yield the line of `portal doctor` about an operator's pause, if there is one."""
    with db.read() as session:
        paused = lanes.pause_of(session)
    if paused is not None:
        yield "outgoing mail", f"{_paused(paused)}; `portal outbox resume` sends again"


def _paused(paused: MailPause) -> str:
    return f"notices and updates are paused since {paused.paused_at:%Y-%m-%d %H:%M} UTC: {paused.reason}"


def check_relay(settings: Settings, keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield the line of `portal doctor` about the relay: its name, and a fault or None.

    Nothing for a user who sends no mail, which shows in the keys it can read; `keys_right` is False where
    that is unknown because a key file is faulty.
    """
    if settings.mail.fault is not None:
        yield "mail relay", settings.mail.fault if keys_right else "not checked; fix the keys first"
    elif not settings.keys.not_worker:  # the others send no mail
        yield "mail relay", _relay(settings)


def _relay(settings: Settings) -> str | None:
    mail = settings.mail.server
    context = ssl.create_default_context()
    try:
        if mail.tls == "tls":
            host: smtplib.SMTP = smtplib.SMTP_SSL(
                mail.host, mail.port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            host = smtplib.SMTP(mail.host, mail.port, timeout=CONNECT_SECONDS)
        with host:
            if mail.tls == "starttls":
                host.starttls(context=context)
            if mail.user is not None:
                host.login(mail.user, mail.password or "")
            host.ehlo_or_helo_if_needed()
            # A relay that requires authentication, or rejects this sender, says so here.
            code, _text = host.mail(settings.mail.sender)
            host.rset()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return f"{_why_not(error, mail)}; see PORTAL_MAIL_URL"
    if not TAKEN <= code < TAKEN + 100:
        return (
            f"rejects the sender {settings.mail.sender} (smtp-{code}); "
            "see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER"
        )
    return None


def _why_not(error: Exception, server: MailServer) -> str:
    """Return why the relay cannot be used, in its own words where it gave some, without user or password."""
    words = _words(error, server)
    for kind, why in _WHY_NOT:
        if isinstance(error, kind):
            return f"{why}{words and f' ({words})'}"
    return f"rejects the connection ({words or type(error).__name__})"


def _words(error: Exception, server: MailServer) -> str:
    """Return what the relay, TLS or the resolver said about it, or nothing."""
    match error:
        case smtplib.SMTPResponseException():
            return _reply(error.smtp_code, error.smtp_error, server)
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError():
            return error.reason or ""
        case socket.gaierror():
            return error.strerror or ""
    return ""


def _reply(code: int, said: bytes | str, server: MailServer) -> str:
    """Return a reply's code and text in one line; the code alone where the text repeats the sign-in."""
    said = said if isinstance(said, bytes) else said.encode()
    text = shorten(said.decode("ascii", "replace"), LONGEST_WORDS, placeholder="…")
    secrets = [secret.encode() for secret in (server.user, server.password) if secret]
    forms = [form.lower() for secret in secrets for form in (secret, b64encode(secret))]
    repeats = any(form in said.lower() for form in forms) or not text.isprintable()
    return f"{code}" if repeats else f"{code} {text}"
