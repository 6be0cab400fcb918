"""The public pages of subscriptions: sign up, confirm, unsubscribe."""

from flask import Blueprint, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow, Page
from portal.subscriptions import service
from portal.subscriptions.emails import PURPOSE
from portal.subscriptions.forms import SubscribeForm
from portal.web import frame
from portal.web.overnight import filled_in_again

bp = Blueprint("subscriptions", __name__)
UNLISTED_PATHS = ("/subscribe/", "/unsubscribe/")
# Requests that mail programs send by themselves (RFC 8058).
ONE_CLICK = "/unsubscribe/"

FLOW = Flow(
    PURPOSE,
    ask="subscriptions.subscribe",
    sent="subscriptions.sent",
    opened="subscriptions.confirm",
    sent_template="subscriptions/sent.html",
    has_code=False,
)


@bp.get("/subscribe/")
@filled_in_again
def subscribe() -> Page:
    """Show the form for an address; where there are several incidents, choose the one that a link names."""
    form, offered = _form()
    if form.incident.data is None:
        form.incident.data = request.args.get("incident") or (offered[0].slug if len(offered) == 1 else None)
    return render_template("subscriptions/subscribe.html", form=form, offered=offered, why=FLOW.why_here())


@bp.post("/subscribe/")
def sign_up() -> Page:
    """Submit an address to the worker, which mails a link; the work is the same for every address."""
    form, offered = _form()
    if not form.validate():
        return render_template("subscriptions/subscribe.html", form=form, offered=offered), REFUSED
    return FLOW.submit_address(form, incident=form.incident.data)


def _form() -> tuple[SubscribeForm, list[Incident]]:
    """Return the form with the incidents that it offers, and these."""
    form = SubscribeForm()
    with frame.parts().db.read() as session:
        offered = incidents.published(session)
    form.offer([(incident.slug, _title(incident)) for incident in offered])
    return form, offered


@bp.get("/subscribe/sent/")
def sent() -> Page:
    """Show that a mail was sent, and what to do with it."""
    return FLOW.sent_page()


@bp.get("/subscribe/confirm/<token>/")
def open_link(token: str) -> Page:
    """Move the token from the URL into the session; confirm nothing, since mail scanners open links too."""
    return FLOW.open_link(token)


@bp.get("/subscribe/confirm/")
def confirm() -> str:
    """Show the confirm button, or that the subscription is confirmed."""
    link, parts = FLOW.link(), frame.parts()
    try:
        with parts.db.read() as session:
            reply = intake.open_reply(session, PURPOSE, link.value, parts.clock.now(), spent_too=True)
    except intake.LinkInvalid:
        frame.gone()
    page = "confirmed" if reply.spent else "confirm"
    return render_template(
        f"subscriptions/{page}.html",
        incident=reply.data["title"],
        title_language=reply.data.get("title_language", frame.language()),  # former versions stored none
        already=reply.data["already"],
    )


@bp.post("/subscribe/confirm/")
def confirm_now() -> Response:
    """Spend the link and let the worker store the subscription; a second POST changes nothing."""
    link, parts = FLOW.link(), frame.parts()
    now = parts.clock.now()
    try:
        with parts.db.write() as session:
            reply = intake.open_reply(session, PURPOSE, link.value, now, spent_too=True)
            if not reply.spent:
                intake.spend(session, reply.id, now)
                intake.submit(session, parts.vault, service.CONFIRMED, {"token": link.value}, now)
    except intake.LinkInvalid:
        frame.gone()
    return frame.see_other(".confirm", link=link.name)


@bp.get("/unsubscribe/<token>/")
def before_leaving(token: str) -> Response:
    """Show the unsubscribe button; GET changes nothing."""
    with frame.parts().db.read() as session:
        known = service.link_known(session, token)
    if not known:
        frame.gone()
    return frame.without_referrer(render_template("subscriptions/unsubscribe.html"))


@bp.post("/unsubscribe/<token>/")
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types
def leave(token: str) -> Response:
    """Unsubscribe without cookies, form or redirect (RFC 8058); answer the same for any token."""
    parts = frame.parts()
    with parts.db.write() as session:
        service.leave(session, token, parts.clock.now())
    return frame.without_referrer(render_template("subscriptions/unsubscribed.html"))


def _title(incident: Incident) -> str:
    """Return an incident's title, marked where it is in another language than the page."""
    language = frame.language()
    title = incident.title_in(language)
    written = incident.title_language(language, frame.parts().settings.default_language)
    return (
        title
        if written == language
        else Markup('<span lang="{}" dir="auto">{}</span>').format(written, title)
    )
