"""Ask again who it is before a page that changes how an account is protected ("sudo mode")."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import request, session
from flask.typing import ResponseReturnValue

from portal.accounts import login
from portal.accounts import service as sessions
from portal.accounts.factors import service
from portal.accounts.login import current_account, sign_in_required
from portal.web import frame
from portal.web.gate import READING

# This browser sent a form which was not acted on.
NOT_DONE = "not confirmed"

P = ParamSpec("P")


def proved_if_protected(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Do what `recently_proved` does where the account has second factors, else only sign in.

    For a page that asks for the password itself. A session from before the first factor was added must not
    do with the password alone what a sign-in could not.
    """
    guarded = recently_proved(view)

    @wraps(view)
    @sign_in_required
    def chosen(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        with frame.parts().db.read() as db_session:
            protected = service.kinds(db_session, current_account().account_id)
        return guarded(*args, **kwargs) if protected else view(*args, **kwargs)

    return chosen


def recently_proved(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Lead to /account/confirm/ unless signed in and proved in the last ten minutes, and back afterwards.

    Every page that is guarded so can be opened with GET, and its path has no parameters. It implies
    `sign_in_required`.
    """

    @wraps(view)
    @sign_in_required
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if current_account().resumed.proved_recently(frame.parts().clock.now()):
            try:
                return view(*args, **kwargs)
            except sessions.SessionEnded:  # while this form was on its way
                return login.ended()
        if request.method not in READING:
            session[NOT_DONE] = True
        return frame.see_other("confirm.ask", next=request.path)

    return guarded
