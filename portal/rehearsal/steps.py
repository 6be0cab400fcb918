"""The steps of a rehearsal, each by the command or the page that is used in earnest."""

import io
import re
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial

import click

from portal.campaigns import service as campaigns
from portal.campaigns.commands import campaigns as campaign_commands
from portal.exposure import service as exposure
from portal.exposure.commands import exposure as exposure_commands
from portal.incidents import service as incidents
from portal.incidents.commands import incidents as incident_commands
from portal.people_files.progress import bar as progress_bar
from portal.rehearsal import visit
from portal.rehearsal.arrivals import Arrivals, link_in
from portal.reset.commands import reset as reset_commands
from portal.runtime.context import Context

LOOK_SECONDS = 0.5
STUCK_SECONDS = 120
UNDECIDED = 2  # the status of a command that wants --confirm


class Stopped(Exception):
    """The incident cannot go on; what the command said has been printed."""


class NotTried(Exception):
    """A step does not apply to this incident; the message says why."""


@dataclass
class Rehearsal:
    """One incident on the copy; `faults` collects what went wrong."""

    context: Context
    slug: str
    arrivals: Arrivals
    faults: list[str] = field(default_factory=list)

    def publish(self, accepted: Sequence[str]) -> None:
        """Show what would be published, and publish it. Raises Stopped."""
        codes = [word for code in accepted for word in ("--accept", code)]
        status, _ = self._run(incident_commands, "publish", self.slug, *codes, expected=UNDECIDED)
        if status == UNDECIDED:
            self._run(incident_commands, "publish", self.slug, "--confirm", *codes)

    def activate(self, number: int | None, options: Sequence[str]) -> None:
        """Activate a version of the list, by default the newest, unless it is active. Raises Stopped."""
        with self.context.db.read() as session:
            incident = incidents.by_slug(session, self.slug)
            active = exposure.active(session, incident.id)
            versions = exposure.versions(session, incident.id)
        newest = max((version.number for version in versions), default=None)
        chosen = number or (active.number if active else newest)
        if chosen is None:
            click.echo(f"  There is no list. Import one: portal exposure import {self.slug} FILE")
            raise Stopped
        if active is not None and active.number == chosen:
            click.echo(f"  Version {chosen} is active.")
            return
        self._run(exposure_commands, "activate", self.slug, str(chosen), *options)

    def require_passwords(self) -> None:
        """Lock exposed passwords. Raises Stopped."""
        self._run(reset_commands, "require", self.slug)

    def notify(self) -> None:
        """Start the notice with the count and the mark that its dry run prints. Raises Stopped."""
        _, said = self._run(campaign_commands, "notify", self.slug, "--dry-run")
        confirmed = re.search(r"--confirm (\d+) --text (\S+)", said)
        if confirmed is None:
            raise Stopped
        count, mark = confirmed.groups()
        self._run(campaign_commands, "notify", self.slug, "--confirm", count, "--text", mark)

    def wait_until_sent(self) -> float:
        """Wait until every mail of the notice has left or failed; return the seconds until the last came.

        Raises Stopped where nothing leaves any more.
        """
        begun = moved = time.monotonic()
        before = -1
        with progress_bar("Sending", self._ledger().addresses) as bar:
            while True:
                ledger = self._ledger()
                done = (
                    ledger.addresses
                    - ledger.waiting
                    - sum(ledger.states.get(state, 0) for state in ("queued", "sending"))
                )
                if done != before:
                    moved = time.monotonic()
                    bar.update(done - max(before, 0))
                    before = done
                if done == ledger.addresses:
                    return max(self.arrivals.last_notice - begun, 0.0)
                if time.monotonic() - moved > STUCK_SECONDS:
                    click.echo("  Nothing has left for two minutes.")
                    raise Stopped
                time.sleep(LOOK_SECONDS)

    def compare(self) -> None:
        """Compare who is on the list with what arrived, address by address."""
        context, ledger = self.context, self._ledger()
        vault = context.worker_vault()
        on_list = missed = unreadable = 0
        with context.db.read() as session:
            incident = incidents.by_slug(session, self.slug)
            version = exposure.needed(session, vault, incident.id)
        after, last = b"", b""
        while True:
            with context.db.read() as session:
                people, after = exposure.people_after(session, vault, version, after, exposure.PAGE)
            for key, person in people:
                if person is None:
                    unreadable += 1
                elif not last or not exposure.same_address(key, last):
                    last = key
                    on_list += 1
                    missed += not self.arrivals.notices[person.address]
            if not after:
                break
        twice = sum(count > 1 for count in self.arrivals.notices.values())
        not_meant = ledger.earlier + ledger.left_out
        click.echo(f"  addresses on the list       {on_list:>9}")
        click.echo(f"  got the notice once         {sum(n == 1 for n in self.arrivals.notices.values()):>9}")
        click.echo(f"  got it twice or more        {twice:>9}")
        click.echo(f"  notified before, no second  {ledger.earlier:>9}")
        click.echo(f"  left out on request         {ledger.left_out:>9}")
        click.echo(f"  missed                      {missed - not_meant:>9}")
        if twice:
            self.faults.append(f"addresses that got the notice more than once: {twice}")
        if missed - not_meant:
            self.faults.append(f"addresses that got no notice: {missed - not_meant}")
        if unreadable:
            self.faults.append(f"rows of the list that do not open: {unreadable}; import the list again")

    def visit(self, site: str) -> None:
        """Do what a customer does: open the notice's link, ask in the form, choose a password."""
        notice = self.arrivals.with_link(visit.NOTICE)
        if notice is None:
            self.faults.append("no notice has a link to the answer")
            return
        self.arrivals.watch(notice.to)
        self._try("the link in the notice shows the answer", partial(visit.read_notice, site, notice))
        asking = partial(visit.ask_and_read, site, notice.to, self.arrivals)
        self._try("the form mails an answer", asking)
        self._try("a new password is chosen, and signs in", partial(self._choose, site, notice.to))

    def _choose(self, site: str, address: str) -> None:
        if self.context.settings.identity.elsewhere:
            raise NotTried("it is chosen at your own page")
        mail = self.arrivals.with_link(visit.RESET)  # to somebody whose password was just locked
        mail = mail or visit.ask_for_password(site, address, self.arrivals)
        if not link_in(mail, visit.RESET):
            raise NotTried("the address of the first notice has no account")
        visit.choose_password(site, mail)

    def _try(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except NotTried as reason:
            click.echo(f"  note  not tried: {what} ({reason})")
        except visit.WentWrong as error:
            click.echo(f"  WRONG {what}: {error}")
            self.faults.append(f"{what}: {error}")
        else:
            click.echo(f"  ok    {what}")

    def _ledger(self) -> campaigns.Ledger:
        with self.context.db.read() as session:
            incident = incidents.by_slug(session, self.slug)
            newest = next(each for each in campaigns.campaigns(session) if each.incident_id == incident.id)
            return campaigns.ledger(session, newest)

    def _run(self, group: click.Group, *arguments: str, expected: int = 0) -> tuple[int, str]:
        """Run a command on the copy, print what it says; return its status and that. Raises Stopped."""
        printed = io.StringIO()
        words = " ".join(("portal", group.name or "", *arguments))
        status = 0
        with redirect_stdout(printed), redirect_stderr(printed):
            try:
                status = group.main(arguments, standalone_mode=False, obj=self.context) or 0
            except click.ClickException as error:
                status = error.exit_code
                click.echo(f"Error: {error.format_message()}")
        said = printed.getvalue()
        click.echo(f"  $ {words}")
        for line in said.splitlines():
            click.echo(f"    {line}".rstrip())
        if status not in (0, expected):
            raise Stopped
        return status, said
