"""The page that waits for a sealed job: it asks again, with a script or without, and no thread waits for it.

The browser's session holds the job's id and the key to its verdict; each tab's page names its own job.
"""

from dataclasses import dataclass
from typing import Any, NoReturn

from flask import abort, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from portal.identity.sealed import service
from portal.identity.sealed.process_key import NoWorker
from portal.identity.sealed.service import Asked
from portal.web import frame
from portal.web.errors import LinkForgotten
from portal.web.tabs import TabValue, TabValues

RETRY_AFTER_SECONDS = 5
LATE = "late"


@dataclass(frozen=True, repr=False)
class Told:
    """What a job came to, and what its page had stored beside it.

    `outcome` is what the handler said, or LATE where nothing was heard before the deadline: `begun` then
    says whether a worker may have done what it was asked to.
    """

    outcome: str
    verdict: dict[str, Any]
    state: Any
    begun: bool = False


@dataclass(frozen=True)
class WaitingPage:
    """The page that waits for jobs of one kind. `endpoint` is its own, `start` the form's."""

    kind: str
    endpoint: str
    start: str
    template: str

    def submit(self, fields: dict[str, str], state: Any = None) -> Response:
        """Seal a job, commit it, and redirect (303) to this page; the same work, whatever was typed.

        Ends with 503 where no worker lives. `state` is kept in the browser's session, and told again.
        """
        parts = frame.parts()
        try:
            # A power cut ends the worker, and with it the key that opens the job: the row would be of no use.
            # What the worker commits before it changes a store takes this to the disk with it.
            with parts.db.write(durable=False) as db_session:
                asked = service.submit(db_session, parts.vault, self.kind, fields, parts.clock.now())
        except NoWorker:
            frame.busy(RETRY_AFTER_SECONDS)
        name = self._jobs.put(f"{asked.id.hex()} {asked.response_key.hex()}", state)
        return frame.see_other(self.endpoint, link=name)

    def told(self) -> Told:
        """Return what the job of this request came to; it is told once.

        Ends the request with this page while there is nothing to tell, and with a redirect to the form where
        the browser asked for nothing. A HEAD request changes nothing: it is redirected to this page as soon
        as GET would tell something else.
        """
        entry = self._entry()
        job, key = entry.value.split()
        asked = Asked(bytes.fromhex(job), self.kind, bytes.fromhex(key))
        parts = frame.parts()
        with parts.db.read() as db_session:
            seen = service.look(db_session, asked, parts.clock.now())
        if seen == service.Seen():
            abort(
                make_response(render_template(self.template, again=url_for(self.endpoint, link=entry.name)))
            )
        if request.method == "HEAD":
            abort(frame.see_other(self.endpoint, link=entry.name))
        with parts.db.write() as db_session:
            first = service.forget(db_session, asked)
        self._jobs.forget(lambda value: value == entry.value)
        if not first:
            self._to_start()
        if seen.verdict is None:
            return Told(LATE, {}, entry.state, begun=seen.begun)
        return Told(str(seen.verdict["outcome"]), seen.verdict, entry.state)

    def _entry(self) -> TabValue:
        try:
            entry = self._jobs.find()
        except LinkForgotten:
            entry = None
        return entry or self._to_start()

    def _to_start(self) -> NoReturn:
        abort(frame.see_other(self.start))

    @property
    def _jobs(self) -> TabValues:
        return TabValues(f"jobs {self.kind}", former="")
