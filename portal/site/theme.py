"""The organisation's colour, bent as little as possible until everyone can read it (WCAG 2.2, AA)."""

import re
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass

TEXT = 4.5  # contrast of words
SHAPE = 3.0  # contrast of what is no word: edges, focus rings, dots
LIGHT_GROUNDS = ("#ffffff", "#f5f6f8", "#fdf1f0", "#eef7f1", "#fdf5e7")  # as in static/css/base.css
DARK_GROUNDS = ("#14171b", "#1e2228", "#33191a", "#16291d", "#2d2413")
BLACK = "#000000"
WHITE = "#ffffff"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LINEAR_END = 0.04045  # where sRGB's curve begins
_STEPS = 50
_NOTICED = 1.1  # contrast between a button at rest and under the pointer


class ColourInvalid(ValueError):
    """Not a colour of the form #rrggbb."""


@dataclass(frozen=True)
class Palette:
    """What follows from one colour on one set of grounds."""

    accent: str
    accent_strong: str
    on_accent: str
    link: str

    @classmethod
    def on(cls, colour: str, grounds: tuple[str, ...], away: str, least: float) -> "Palette":
        """Bend `colour` towards `away` (black on light grounds, white on dark ones) until it stands out."""
        accent = _readable(colour, grounds, away, least)
        on_accent = max(WHITE, BLACK, key=lambda ink: contrast(ink, accent))
        return cls(
            accent=accent,
            accent_strong=_pressed(accent, on_accent),
            on_accent=on_accent,
            link=_readable(colour, grounds, away, TEXT),
        )


@dataclass(frozen=True)
class Theme:
    """One colour, readable by day and by night."""

    light: Palette
    dark: Palette

    @classmethod
    def from_colour(cls, colour: str) -> "Theme":
        """Make a theme of `#rrggbb`. Raises ColourInvalid."""
        if not _COLOUR.fullmatch(colour):
            raise ColourInvalid("A colour is written #rrggbb")
        colour = colour.lower()
        return cls(
            light=Palette.on(colour, LIGHT_GROUNDS, BLACK, SHAPE),
            dark=Palette.on(
                colour, DARK_GROUNDS, WHITE, TEXT
            ),  # bright buttons with dark words are calmer at night
        )


def stylesheet(theme: Theme) -> str:
    """Return the rules that put `theme` over the colours of static/css/base.css."""
    return (
        f":root {{\n{_rules(theme.light)}}}\n\n"
        f"@media (prefers-color-scheme: dark) {{\n:root {{\n{_rules(theme.dark)}}}\n}}\n"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _rules(palette: Palette) -> str:
    return (
        f"  --accent: {palette.accent};\n  --accent-strong: {palette.accent_strong};\n"
        f"  --on-accent: {palette.on_accent};\n  --link: {palette.link};\n"
    )


def _readable(colour: str, grounds: tuple[str, ...], away: str, least: float) -> str:
    for step in range(_STEPS):
        candidate = _bend(colour, away, step / _STEPS)
        if _stands_out(candidate, grounds, least):
            return candidate
    return away


def _pressed(accent: str, on_accent: str) -> str:
    """Return the accent under a pointer: a step away from its words, else towards them."""
    away = BLACK if on_accent == WHITE else WHITE
    steps = (_blend(accent, away, 0.18), _blend(accent, away, 0.3), _blend(accent, on_accent, 0.18))
    return next(step for step in steps if contrast(step, accent) >= _NOTICED)


def _stands_out(colour: str, grounds: tuple[str, ...], least: float) -> bool:
    return all(contrast(colour, ground) >= least for ground in grounds)


def _bend(colour: str, other: str, share: float) -> str:
    """Go `share` of the way from `colour` to black or white, as vivid as before."""
    hue, light, vivid = rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    light += (_channels(other)[0] / 255 - light) * share
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in hls_to_rgb(hue, light, vivid))


def _blend(colour: str, other: str, share: float) -> str:
    """Go `share` of the way from `colour` to `other`, as paint does."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    curve: float = ((channel + 0.055) / 1.055) ** 2.4
    return curve if channel > _LINEAR_END else channel / 12.92
