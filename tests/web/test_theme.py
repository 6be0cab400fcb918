"""Whatever colour an organisation has, its pages stay readable."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.web.theme import (
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    ColourInvalid,
    Theme,
    contrast,
    stylesheet,
)

STYLE = Path(__file__).parents[2] / "static" / "css" / "base.css"
LIGHT, _, DARK = STYLE.read_text().partition("prefers-color-scheme: dark")
GROUND_NAMES = ("ground", "surface", "bad-ground", "good-ground", "warn-ground")

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def value(sheet: str, name: str) -> str:
    """Return the colour that `sheet` gives to a variable."""
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}});", sheet)
    assert found, name
    return found.group(1)


@given(colours)
@example("#ffffff")
@example("#000000")
@example("#ffff00")
@example("#777777")
@example("#14171b")
def test_words_and_shapes_keep_their_contrast_in_every_colour(colour):
    theme = Theme.from_colour(colour)
    for palette, sheet in ((theme.light, LIGHT), (theme.dark, DARK)):
        assert contrast(palette.on_accent, palette.accent) >= 4.5
        assert contrast(palette.on_accent, palette.accent_strong) >= 4.5
        for ground in (value(sheet, name) for name in GROUND_NAMES):
            assert contrast(palette.link, ground) >= 4.5
            assert contrast(palette.accent, ground) >= 3


@given(colours)
@example("#000000")
@example("#ffffff")
def test_a_button_under_the_pointer_looks_different(colour):
    theme = Theme.from_colour(colour)
    assert contrast(theme.light.accent, theme.light.accent_strong) > 1.1
    assert contrast(theme.dark.accent, theme.dark.accent_strong) > 1.1


def test_a_colour_that_reads_well_is_left_as_it_is():
    assert Theme.from_colour("#1D5B8F").light.accent == "#1d5b8f"
    assert Theme.from_colour("#1d5b8f").light.link == "#1d5b8f"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
        ("#123456", "#123456", 1),
    ],
)
def test_contrast_is_what_the_standard_says(one, other, expected):
    assert contrast(one, other) == pytest.approx(expected, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize(
    "colour", ["red", "#fff", "#12345g", "#1234567", "", "#123456;}body{display:none", "#123456\n"]
)
def test_what_is_no_colour_never_reaches_the_style_sheet(colour):
    with pytest.raises(ColourInvalid):
        Theme.from_colour(colour)


def test_the_style_sheet_carries_both_palettes():
    theme = Theme.from_colour("#ffcc00")
    day, _, night = stylesheet(theme).partition("prefers-color-scheme: dark")
    for sheet, palette in ((day, theme.light), (night, theme.dark)):
        assert value(sheet, "accent") == palette.accent
        assert value(sheet, "accent-strong") == palette.accent_strong
        assert value(sheet, "on-accent") == palette.on_accent
        assert value(sheet, "link") == palette.link
    assert stylesheet(theme).count("{") == stylesheet(theme).count("}")


@pytest.mark.parametrize(("sheet", "grounds"), [(LIGHT, LIGHT_GROUNDS), (DARK, DARK_GROUNDS)])
def test_the_grounds_are_those_of_the_pages(sheet, grounds):
    assert {value(sheet, name) for name in GROUND_NAMES} == set(grounds)


@pytest.mark.parametrize("sheet", [LIGHT, DARK])
def test_the_fixed_colours_read_on_every_ground_they_stand_on(sheet):
    for ground in ("ground", "surface"):
        for name in ("ink", "soft", "bad", "good", "warn"):
            assert contrast(value(sheet, name), value(sheet, ground)) >= 4.5, (name, ground)
        assert contrast(value(sheet, "edge"), value(sheet, ground)) >= 3, ground
    for name in ("bad", "good", "warn"):
        assert contrast(value(sheet, name), value(sheet, f"{name}-ground")) >= 4.5, name
        assert contrast(value(sheet, "soft"), value(sheet, f"{name}-ground")) >= 4.5, name
