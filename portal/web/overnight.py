"""Show a form again, filled in, when its token has ended: after a night, or a sign-in in another tab."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, g, make_response, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from portal.web import errors, frame

REFUSED = 400

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


def filled_in_again(view: View) -> View:
    """Mark the view of a page whose form says by itself for whom it is, so that it may be shown filled in.

    Not a page of an account: another person may have signed in meanwhile, for whom a second press would act.
    """
    view.filled_in_again = True  # type: ignore[attr-defined]
    return view


def install(app: Flask) -> None:
    """Register what answers a form whose token is not valid."""
    app.register_error_handler(CSRFError, _show_again)


def _show_again(_error: CSRFError) -> Response:
    """Show the form's page with what was typed, except passwords; nothing else happens.

    Where the browser does not say that the form is ours, the page for outdated forms holds nothing of it:
    another site could have filled it in, and one press would send it.
    """
    view = _view_of_the_page()
    if view is None or not _came_from_us():
        return errors.outdated_form_page()
    g.form_outdated = True
    try:
        # The view reads the form, as it does to show errors; on GET there would be none to read.
        response = make_response(view(**(request.view_args or {})))
    except HTTPException as ended:
        return current_app.make_response(current_app.handle_http_exception(ended))
    if response.status_code < REFUSED and not response.location:
        response.status_code = REFUSED
    return response


def _view_of_the_page() -> Callable[..., Any] | None:
    """Return the view of the page at this address, if it is marked."""
    adapter = request_ctx.url_adapter
    if adapter is None or not adapter.test(method="GET"):
        return None
    endpoint, _arguments = adapter.match(method="GET")
    view = current_app.view_functions[endpoint]
    return view if getattr(view, "filled_in_again", False) else None


def _came_from_us() -> bool:
    try:
        frame.check_same_site()
    except CSRFError:
        return False
    return True
