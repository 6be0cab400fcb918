"""Where the portal has no access to the accounts: pages that say where the company's own are."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.web import frame
from portal.web.gate import READING


def install(bp: Blueprint, page: str, template: str) -> None:
    """Let one page of a blueprint name the company's own, and every other one redirect to it.

    It comes before anything of these pages runs: without access there is nothing to ask, count or change.
    """

    def answer() -> ResponseReturnValue | None:
        if frame.parts().settings.identity.elsewhere is None:
            return None
        if request.endpoint == page and request.method in READING:
            return render_template(template)
        return frame.see_other(page)

    bp.before_request(answer)
