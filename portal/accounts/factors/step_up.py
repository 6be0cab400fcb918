"""Ask again who it is before a page that changes how an account is protected ("sudo mode")."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import request, session
from flask.typing import ResponseReturnValue

from portal.accounts.login import current_account, sign_in_required
from portal.web import frame
from portal.web.gate import READING

# This browser sent a form which was not acted on.
NOT_DONE = "not confirmed"

P = ParamSpec("P")


def recently_proved(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Lead to /account/confirm/ unless signed in and proved in the last ten minutes, and back afterwards.

    Every page that is guarded so can be opened with GET, and its path has no parameters. It implies
    `sign_in_required`.
    """

    @wraps(view)
    @sign_in_required
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if current_account().resumed.proved_recently(frame.parts().clock.now()):
            return view(*args, **kwargs)
        if request.method not in READING:
            session[NOT_DONE] = True
        return frame.see_other("confirm.ask", next=request.path)

    return guarded
