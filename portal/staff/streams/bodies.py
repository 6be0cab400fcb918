"""Read the body of a request as it streams: nothing of it is kept, or written to a disk.

Flask's own forms would put a file that comes with a form into a temporary folder.
"""

from collections.abc import Callable, Iterator

from flask import request
from flask_wtf.csrf import CSRFError, validate_csrf
from werkzeug.exceptions import BadRequest
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData
from wtforms.validators import ValidationError

from portal.web import frame

BLOCK = 1 << 18
MAX_FIELD = 4_096
MAX_FIELDS = 10
# What is read of a body that is refused, so that the browser shows the answer instead of a broken connection.
MAX_DRAINED = 256 << 20

Read = Callable[[int], bytes]


class Body:
    """The body of this request; `read` returns up to so many bytes, and none at its end."""

    def __init__(self) -> None:
        """Read nothing yet. Raises BadRequest where the request does not say how long it is."""
        length = request.content_length
        if length is None:
            raise BadRequest
        self.length = length
        self._left = length
        self._input = request.environ["wsgi.input"]

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; fewer, or none, where the connection ended."""
        if size <= 0 or not self._left:
            return b""
        try:
            data: bytes = self._input.read(min(size, self._left))
        except OSError:
            data = b""
        self._left = self._left - len(data) if data else 0
        return data

    def drain(self) -> None:
        """Read the rest and drop it, unless it is very much."""
        if self._left <= MAX_DRAINED:
            while self.read(BLOCK):
                pass


class FormWithFile:
    """A form whose last field is a file, read as it comes.

    `fields` are those before the file. Raises BadRequest where it is no such form.
    """

    def __init__(self, body: Body) -> None:
        """Read up to the file's first bytes."""
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise BadRequest
        self._body = body
        # What the decoder may hold back, such as what looks like the beginning of a boundary.
        self._decoder = MultipartDecoder(
            boundary.encode("latin-1", "replace"), 4 * BLOCK, max_parts=MAX_FIELDS
        )
        self._events = self._decoded()
        self.fields: dict[str, str] = {}
        self.filename = ""
        self._ended = False
        self._ahead = b""
        self._read_fields()

    def _read_fields(self) -> None:
        name, text = "", b""
        for event in self._events:
            match event:
                case File():
                    self.filename = event.filename
                    return
                case Field():
                    name, text = event.name, b""
                case Data():
                    text += event.data
                    if len(text) > MAX_FIELD:
                        raise BadRequest
                    if not event.more_data:
                        self.fields[name] = text.decode("utf-8", "replace")
                case Epilogue():
                    break
        raise BadRequest

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the file; none at its end. Raises BadRequest where it is cut."""
        while len(self._ahead) < size and not self._ended:
            event = next(self._events, None)
            if not isinstance(event, Data):
                raise BadRequest
            self._ahead += event.data
            self._ended = not event.more_data
        found, self._ahead = self._ahead[:size], self._ahead[size:]
        return found

    def _decoded(self) -> Iterator[Event]:
        try:
            while True:
                event = self._decoder.next_event()
                if isinstance(event, NeedData):
                    data = self._body.read(BLOCK)
                    self._decoder.receive_data(data or None)
                    continue
                yield event
                if isinstance(event, Epilogue):
                    return
        except ValueError as error:  # the decoder's word for what is no form, or ends early
            raise BadRequest from error


def check_token(token: str) -> None:
    """Raise CSRFError unless this request was sent by one of the console's pages.

    The pages that take files check the token themselves: Flask-WTF would read the form, and the file with it.
    """
    frame.check_same_site()
    try:
        validate_csrf(token)
    except ValidationError as error:
        raise CSRFError(str(error)) from error
