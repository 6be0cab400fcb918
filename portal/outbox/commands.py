"""`portal outbox`: what is queued, sent, failed and uncertain."""

import smtplib
import socket
import ssl
from collections.abc import Iterator

import click

from portal.audit import service as audit
from portal.core.settings import Settings
from portal.outbox import service
from portal.runtime.context import Context

CONNECT_SECONDS = 10
TAKEN = 200


@click.group()
def outbox() -> None:
    """The mails that leave."""


@outbox.command()
@click.pass_obj
def status(context: Context) -> None:
    """Print how many mails are in each state."""
    with context.db.read() as session:
        counts = service.counts(session)
        failures = service.failures(session)
        delays = service.delays(session)
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    click.echo(f"{'all':<10} {sum(counts.values()):>10}")
    for reason, number in failures.items():
        click.echo(f"failed because of {reason}: {number}")
    for reason, number in delays.items():
        click.echo(f"waiting because of {reason}: {number}")


@outbox.command()
@click.option("--reason", help="Only those that failed for this reason, as `status` says it.")
@click.option(
    "--uncertain", is_flag=True, help="Instead those that may have left: who got one gets a second copy."
)
@click.pass_obj
def retry(context: Context, reason: str | None, uncertain: bool) -> None:
    """Send failed mails again, once what kept them is mended.

    What somebody asked for more than a day ago stays: they have asked again, or the link has ended.
    """
    now = context.clock.now()
    with context.db.write() as session:
        number = service.retry_failed(session, reason, now, uncertain=uncertain)
        details = {"mails": number} | ({"state": "uncertain"} if uncertain else {})
        audit.record(session, "outbox.retry", reason or "all", details, now)
    click.echo(f"In the queue again: {number}.")


def check_relay(settings: Settings, keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what `portal doctor` finds out about the relay, where this user needs it: its name, and a fault or None.

    Which keys this user can read tells whether it sends mail: `keys_right` is False where that is not known.
    """
    if settings.mail.fault is not None:
        yield "mail relay", settings.mail.fault if keys_right else "not looked at; mend the keys first"
    elif not settings.keys.web_alone:  # the web server hands no mail over, and need not know how
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
            # A relay that wants us to sign in, or does not send in this name, says so here.
            code, _words = host.mail(settings.mail.sender)
            host.rset()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return f"{_why_not(error)}; see PORTAL_MAIL_URL"
    if not TAKEN <= code < TAKEN + 100:
        return f"refuses to send from {settings.mail.sender} (smtp-{code}); see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER"
    return None


def _why_not(error: Exception) -> str:
    """Return why no mail can be handed over, without anything that a relay or a setting said."""
    match error:
        case smtplib.SMTPAuthenticationError() | UnicodeError():
            return "does not take the user and password"
        case smtplib.SMTPNotSupportedError():
            return "offers no TLS, or no way to sign in"
        case ssl.SSLCertVerificationError():
            return "shows a certificate that nobody vouches for, or one for another name"
        case ssl.SSLError():
            return "does not speak TLS on this port as PORTAL_MAIL_URL says"
        case socket.gaierror():
            return "has a name that is not known"
        case TimeoutError():
            return f"does not answer within {CONNECT_SECONDS} seconds"
        case ConnectionRefusedError():
            return "is not there: nothing listens on this port"
        case _:
            return f"does not take us ({type(error).__name__})"
