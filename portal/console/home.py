"""The console's first page: what each incident needs next, and what is wrong."""

from flask import render_template
from flask_babel import format_timedelta, lazy_gettext

from portal.checklist.words import TITLES
from portal.console import situation, waits
from portal.console.situation import Step, Trouble
from portal.console.waits import Wait
from portal.incidents.models import DRAFT, PHASES, PUBLISHED
from portal.outbox.bulk import lanes
from portal.staff import members, sending
from portal.staff.approvals.models import Approval
from portal.staff.approvals.showing import title_of
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.web import frame

bp = StaffPages("home", __name__)

WRITERS = frozenset({Role.AUTHOR, Role.APPROVER})
# Where a step is done, its button, and who does it.
STEPS = {
    Step.WRITE: ("/incidents/{}/statement/", lazy_gettext("Write the statement"), Role.AUTHOR),
    Step.PUBLISH: ("/incidents/{}/statement/", lazy_gettext("Finish and publish it"), Role.AUTHOR),
    Step.UPLOAD: ("/lists/{}/", lazy_gettext("Upload the affected list"), Role.AUTHOR),
    Step.ACTIVATE: ("/lists/{}/", lazy_gettext("Activate the list"), Role.AUTHOR),
    Step.NOTIFY: ("/notices/#{}", lazy_gettext("Notify everyone affected"), Role.AUTHOR),
    Step.FOLLOW: ("/notices/#{}", lazy_gettext("Follow the notice"), Role.AUTHOR),
    Step.RESUME: ("/notices/{}/{}/", lazy_gettext("Resume the paused notice"), Role.APPROVER),
    Step.UPDATE: ("/incidents/{}/timeline/", lazy_gettext("Post an update"), Role.AUTHOR),
}
# The request that a step waits for once its author has done their part.
ASKED = {
    Step.PUBLISH: "statement.publish",
    Step.ACTIVATE: "list.activate",
    Step.NOTIFY: "notice.start",
    Step.UPDATE: "update.post",
}
# What is said of a trouble, where to look at it, and whose page that is.
TROUBLES = {
    Trouble.WORKER: (
        lazy_gettext(
            "The portal’s background program isn’t running: no email leaves, and nothing you ask for is "
            "done. Tell your IT team."
        ),
        "",
        frozenset(),
    ),
    Trouble.MAIL: (lazy_gettext("No email has left for ten minutes."), "/mail/", frozenset(Role)),
    Trouble.NO_LIST: (
        lazy_gettext("There’s no active list, so nobody can check their address."),
        "/lists/{}/",
        WRITERS | {Role.PRIVACY},
    ),
    Trouble.OLD_DRAFT: (
        lazy_gettext("A draft has waited for more than a day."),
        "/incidents/{}/statement/",
        WRITERS,
    ),
    Trouble.OLD_UPDATE: (
        lazy_gettext("The draft of an update has waited for more than a day."),
        "/incidents/{}/timeline/",
        WRITERS,
    ),
    Trouble.OLD_NOTICE: (
        lazy_gettext("The draft of a notice has waited for more than a day."),
        "/notices/#{}",
        WRITERS,
    ),
    Trouble.PROMISE: (
        lazy_gettext("You promised news by now. Post an update, or promise another time."),
        "/incidents/{}/timeline/",
        WRITERS,
    ),
    Trouble.UNCONFIRMED: (
        lazy_gettext("An update was posted by one person alone. A second person must confirm it."),
        "/incidents/{}/timeline/",
        WRITERS,
    ),
    Trouble.ALONE: (
        lazy_gettext("Work without a second person in the last seven days."),
        "/audit/",
        frozenset({Role.PRIVACY, Role.ADMIN}),
    ),
}


@bp.page("/")
def home() -> str:
    """Show each incident with its next step, what waits for whom, and what is wrong."""
    console = sending.parts()
    now, languages = console.clock.now(), console.settings.site.languages
    with console.db.read() as db_session:
        rows = situation.rows(db_session, now)
        waiting = waits.of_incidents(
            db_session,
            console.vault,
            console.actions,
            [row.incident for row in rows if row.step is not None],
            now,
        )
        names = members.names(db_session, console.vault)
        return render_template(
            "console/home.html",
            rows=rows,
            to_check=_to_check(waiting),
            asked=_asked(waiting),
            asked_for=ASKED,
            paused=lanes.pause_of(db_session),
            banners=situation.banners(db_session, languages, now),
            waiting=waiting,
            incident_titles=console.titles(db_session, frame.language()),
            names=names,
            title_of=lambda one: title_of(one, names),
            items=TITLES,
            since=lambda at: format_timedelta(now - at, granularity="minute", threshold=1.5),
            steps=STEPS,
            troubles=TROUBLES,
            phases=PHASES,
            state_words={DRAFT: lazy_gettext("Draft"), PUBLISHED: lazy_gettext("Public")},
            mine=current().member.roles,
        )


def _asked(waiting: list[Wait]) -> dict[tuple[str, str], Wait]:
    """Return what waits for an approver, by its incident and kind."""
    asked = (one for one in waiting if one.why is waits.Why.APPROVER)
    return {(one.slug, one.approval.kind): one for one in asked if one.approval is not None}


def _to_check(waiting: list[Wait]) -> dict[str, list[Approval]]:
    """Return the requests of each incident that the signed-in member may approve: their next step."""
    me, actions = current().member, sending.parts().actions
    found: dict[str, list[Approval]] = {}
    for one in waiting:
        asked = one.approval
        if one.why is waits.Why.APPROVER and asked is not None and asked.asked_by != me.id:
            action = actions.get(asked.kind)
            if action is not None and action.approve & me.roles:
                found.setdefault(one.slug, []).append(asked)
    return found
