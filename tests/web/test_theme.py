"""Whatever colour an organisation has, its pages stay readable."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.web.theme import (
    DARK_GROUNDS,
    DARK_INK,
    LIGHT_GROUNDS,
    LIGHT_INK,
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
            assert contrast(palette.link, ground) >= 7
            assert contrast(palette.mark, ground) >= 3
            assert contrast(palette.accent_edge, ground) >= 3


@given(colours)
@example("#000000")
@example("#ffffff")
def test_a_button_under_the_pointer_looks_different(colour):
    theme = Theme.from_colour(colour)
    assert contrast(theme.light.accent, theme.light.accent_strong) > 1.1
    assert contrast(theme.dark.accent, theme.dark.accent_strong) > 1.1


def test_a_colour_that_reads_well_is_left_as_it_is():
    assert Theme.from_colour("#7A3A1C").light.accent == "#7a3a1c"
    assert Theme.from_colour("#7a3a1c").light.link == "#7a3a1c"


@pytest.mark.parametrize(
    ("colour", "fill", "label", "edge", "link"),
    [
        ("#fff3b0", "#fff3b0", "#000000", "#1b1f24", "#1b1f24"),  # pale yellow
        ("#ffd400", "#ffd400", "#000000", "#1b1f24", "#1b1f24"),  # yellow: no olive
        ("#39ff14", "#39ff14", "#000000", "#1b1f24", "#0f5d00"),  # neon green
        ("#fafafa", "#1b1f24", "#ffffff", "#1b1f24", "#1b1f24"),  # near white
        ("#000000", "#000000", "#ffffff", "#000000", "#000000"),
    ],
)
def test_an_extreme_colour_stays_itself_by_day_or_gives_way_to_ink(colour, fill, label, edge, link):
    light = Theme.from_colour(colour).light
    assert (light.accent, light.on_accent, light.accent_edge, light.link) == (fill, label, edge, link)


@pytest.mark.parametrize(
    ("colour", "fill", "link"),
    [
        ("#000000", "#e7e9ec", "#e7e9ec"),  # black turns round, and no grey appears
        ("#ffd400", "#ffd400", "#ffd400"),
        ("#fafafa", "#fafafa", "#fafafa"),
        ("#0a1a3f", "#779ae9", "#95b0ee"),  # navy grows lighter
    ],
)
def test_an_extreme_colour_stays_itself_by_night_or_gives_way_to_ink(colour, fill, link):
    dark = Theme.from_colour(colour).dark
    assert (dark.accent, dark.on_accent, dark.link) == (fill, "#000000", link)


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
        assert value(sheet, "accent-edge") == palette.accent_edge
        assert value(sheet, "mark") == palette.mark
        assert value(sheet, "link") == palette.link
    assert stylesheet(theme).count("{") == stylesheet(theme).count("}")


@pytest.mark.parametrize(
    ("sheet", "grounds", "ink"), [(LIGHT, LIGHT_GROUNDS, LIGHT_INK), (DARK, DARK_GROUNDS, DARK_INK)]
)
def test_the_grounds_and_the_ink_are_those_of_the_pages(sheet, grounds, ink):
    assert {value(sheet, name) for name in GROUND_NAMES} == set(grounds)
    assert value(sheet, "ink") == ink


@pytest.mark.parametrize("sheet", [LIGHT, DARK])
def test_the_fixed_colours_read_on_every_ground_they_stand_on(sheet):
    for ground in (value(sheet, name) for name in GROUND_NAMES):
        for name in ("ink", "soft", "bad", "good", "warn"):
            assert contrast(value(sheet, name), ground) >= 7, (name, ground)
        assert contrast(value(sheet, "edge"), ground) >= 3, ground
    default = Theme.from_colour("#1d5b8f")
    palette = default.light if sheet == LIGHT else default.dark
    assert value(sheet, "link") == palette.link  # what theme.css replaces
    assert value(sheet, "accent") == palette.accent
    assert value(sheet, "mark") == palette.mark
