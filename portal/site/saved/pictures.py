"""Tell what a logo is by its bytes: a still PNG, JPEG or WebP of a sensible size.

Only the container is read: no decoder runs here. SVG is refused, because it can hold programs.
"""

import re
import zlib
from collections.abc import Iterator

from portal.core.settings.site import Picture

MOST_BYTES = 256 * 1024
MOST_PIXELS = 2000  # in each direction
FEWEST_PIXELS = 16
PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"<svg|<!doctype svg", re.IGNORECASE)
# Markers of a JPEG's frame, which has its size; C4, C8 and CC are others.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, b"\xff\xd9"
_ANIMATED = 0x02


class PictureRefused(ValueError):
    """A file that cannot be a logo; `reason` is a code: empty, svg, type, broken, bytes, pixels or moving."""

    def __init__(self, reason: str) -> None:
        """Store the code."""
        self.reason = reason
        super().__init__(reason)


def read(content: bytes) -> Picture:
    """Return the picture of a file's bytes. Raises PictureRefused."""
    if not content:
        raise PictureRefused("empty")
    if len(content) > MOST_BYTES:
        raise PictureRefused("bytes")
    try:
        mimetype, width, height = _measured(content)
    except (IndexError, ValueError) as error:
        raise error if isinstance(error, PictureRefused) else PictureRefused("broken") from error
    if not all(FEWEST_PIXELS <= side <= MOST_PIXELS for side in (width, height)):
        raise PictureRefused("pixels")
    return Picture(content, mimetype)


def _measured(content: bytes) -> tuple[str, int, int]:
    """Return media type, width and height."""
    if content.startswith(_PNG_START):
        return PNG, *_png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG, *_jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP, *_webp(content)
    raise PictureRefused("svg" if _SVG.search(content[:4096]) else "type")


def _png(content: bytes) -> tuple[int, int]:
    """Return the size in the header of a whole PNG (W3C, Portable Network Graphics, 5.3)."""
    at, kinds = len(_PNG_START), list[bytes]()
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(
            content[end - 4 : end]
        ):
            raise PictureRefused("broken")
        kinds.append(kind)
        at = end
    if kinds[:1] != [b"IHDR"] or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        raise PictureRefused("broken")
    if b"acTL" in kinds:
        raise PictureRefused("moving")
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _jpeg(content: bytes) -> tuple[int, int]:
    """Return the size in the frame of a JPEG that has an end (ITU-T T.81, B.2)."""
    if not content.endswith(_END):
        raise PictureRefused("broken")
    at, size = 2, None
    while True:
        if content[at] != 0xFF:  # noqa: PLR2004 - what each marker begins with
            raise PictureRefused("broken")
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker in _FRAMES:
            size = int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
        if marker == _SCAN or length < 2:  # noqa: PLR2004 - a length counts its own two bytes
            break
        at += 2 + length
    if size is None:
        raise PictureRefused("broken")
    return size


def _webp(content: bytes) -> tuple[int, int]:
    """Return the size of a whole, still WebP (RFC 9649, 2)."""
    chunks = dict(_riff(content))
    if extended := chunks.get(b"VP8X"):
        if extended[0] & _ANIMATED or b"ANIM" in chunks:
            raise PictureRefused("moving")
        return 1 + int.from_bytes(extended[4:7], "little"), 1 + int.from_bytes(extended[7:10], "little")
    if lossless := chunks.get(b"VP8L"):
        bits = int.from_bytes(lossless[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if lossy := chunks.get(b"VP8 "):
        return (
            int.from_bytes(lossy[6:8], "little") & 0x3FFF,
            int.from_bytes(lossy[8:10], "little") & 0x3FFF,
        )
    raise PictureRefused("broken")


def _riff(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if 8 + int.from_bytes(content[4:8], "little") != len(content):
        raise PictureRefused("broken")
    at = 12
    while at + 8 <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > len(content):
            raise PictureRefused("broken")
        yield content[at : at + 4], content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
