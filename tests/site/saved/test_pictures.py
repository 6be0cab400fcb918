"""What may be a logo: judged by its bytes, never by its name."""

import pytest

from portal.site.saved import pictures
from portal.site.saved.pictures import PictureRefused
from tests.pictures import jpeg, png, webp


@pytest.mark.parametrize(
    ("content", "mimetype"), [(png(), "image/png"), (jpeg(), "image/jpeg"), (webp(), "image/webp")]
)
def test_a_still_picture_is_taken_for_what_it_is(content, mimetype):
    assert pictures.read(content).mimetype == mimetype


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "svg"),
        (b"<?xml version='1.0'?><!DOCTYPE svg><script/>", "svg"),
        (b"<html><script>alert(1)</script></html>", "type"),
        (b"GIF89a" + bytes(40), "type"),
        (b"%PDF-1.7", "type"),
        (png()[:-4], "broken"),
        (png() + b"<script>alert(1)</script>", "broken"),
        (png().replace(b"IDAT", b"IDAx"), "broken"),
        (jpeg()[:-2], "broken"),
        (jpeg()[:20] + b"\xff\xd9", "broken"),
        (b"\xff\xd8\xff" + b"\xff" * 40 + b"\xff\xd9", "broken"),
        (webp() + b"more", "broken"),
        (webp()[:20], "broken"),
        (b"RIFF\x04\0\0\0WEBP", "broken"),
        (png(2001, 32), "pixels"),
        (png(64, 8), "pixels"),
        (jpeg(65535, 32), "pixels"),
        (webp(64, 16383), "pixels"),
        (png(extra=b"acTL"), "moving"),
        (webp(moving=True), "moving"),
        (png() + bytes(256 * 1024), "bytes"),
    ],
)
def test_anything_else_is_refused_with_its_reason(content, reason):
    with pytest.raises(PictureRefused) as caught:
        pictures.read(content)
    assert caught.value.reason == reason


@pytest.mark.parametrize("whole", [png(), jpeg(), webp()])
def test_no_beginning_of_a_picture_is_a_picture(whole):
    for length in range(len(whole)):
        with pytest.raises(PictureRefused):
            pictures.read(whole[:length])
