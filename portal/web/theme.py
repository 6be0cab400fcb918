"""Derive an accessible palette from the brand colour, changing it as little as possible (WCAG 2.2 AA)."""

import re
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass

TEXT = 4.5  # minimum contrast of text (WCAG 2.2, 1.4.3)
SHAPE = 3.0  # minimum contrast of borders, focus rings, icons (WCAG 2.2, 1.4.11)
LIGHT_GROUNDS = (
    "#ffffff",
    "#f5f6f8",
    "#fdf1f0",
    "#eef7f1",
    "#fdf5e7",
)  # the backgrounds of static/css/base.css
DARK_GROUNDS = ("#14171b", "#1e2228", "#33191a", "#16291d", "#2d2413")
BLACK = "#000000"
WHITE = "#ffffff"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LINEAR_END = 0.04045  # end of the linear part of the sRGB transfer function (IEC 61966-2-1)
_STEPS = 50
_NOTICED = 1.1  # minimum contrast between a button at rest and on hover


class ColourInvalid(ValueError):
    """Not a colour of the form #rrggbb."""


@dataclass(frozen=True)
class Palette:
    """The colours derived from one brand colour for one set of backgrounds."""

    accent: str
    accent_strong: str
    on_accent: str
    link: str

    @classmethod
    def on(cls, colour: str, grounds: tuple[str, ...], towards: str, min_contrast: float) -> "Palette":
        """Shift `colour` `towards` black (light grounds) or white (dark ones) until it has `min_contrast`."""
        accent = _readable(colour, grounds, towards, min_contrast)
        on_accent = max(WHITE, BLACK, key=lambda ink: contrast(ink, accent))
        return cls(
            accent=accent,
            accent_strong=_hovered(accent, on_accent),
            on_accent=on_accent,
            link=_readable(colour, grounds, towards, TEXT),
        )


@dataclass(frozen=True)
class Theme:
    """The palettes of one brand colour for light and dark mode."""

    light: Palette
    dark: Palette

    @classmethod
    def from_colour(cls, colour: str) -> "Theme":
        """Return the theme of a colour `#rrggbb`. Raises ColourInvalid."""
        if not _COLOUR.fullmatch(colour):
            raise ColourInvalid("A colour is written #rrggbb")
        colour = colour.lower()
        return cls(
            light=Palette.on(colour, LIGHT_GROUNDS, BLACK, SHAPE),
            # TEXT, not SHAPE: bright buttons with dark text are easier on the eye in dark mode.
            dark=Palette.on(colour, DARK_GROUNDS, WHITE, TEXT),
        )


def stylesheet(theme: Theme) -> str:
    """Return the CSS rules that override the colours of static/css/base.css with `theme`."""
    return (
        f":root {{\n{_rules(theme.light)}}}\n\n"
        f"@media (prefers-color-scheme: dark) {{\n:root {{\n{_rules(theme.dark)}}}\n}}\n"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _rules(palette: Palette) -> str:
    return (
        f"  --accent: {palette.accent};\n  --accent-strong: {palette.accent_strong};\n"
        f"  --on-accent: {palette.on_accent};\n  --link: {palette.link};\n"
    )


def _readable(colour: str, grounds: tuple[str, ...], towards: str, min_contrast: float) -> str:
    """Return the colour nearest to `colour` that reaches `min_contrast` on every background."""
    for step in range(_STEPS):
        candidate = _shift_lightness(colour, towards, step / _STEPS)
        if all(contrast(candidate, ground) >= min_contrast for ground in grounds):
            return candidate
    return towards


def _hovered(accent: str, on_accent: str) -> str:
    """Return the accent on hover: further from the colour of the text if possible, otherwise nearer."""
    away = BLACK if on_accent == WHITE else WHITE
    steps = (_blend(accent, away, 0.18), _blend(accent, away, 0.3), _blend(accent, on_accent, 0.18))
    return next(step for step in steps if contrast(step, accent) >= _NOTICED)


def _shift_lightness(colour: str, other: str, share: float) -> str:
    """Move the lightness of `colour` by `share` (0 to 1) towards black or white; keep hue and saturation."""
    hue, lightness, saturation = rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    lightness += (_channels(other)[0] / 255 - lightness) * share
    channels = hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _blend(colour: str, other: str, share: float) -> str:
    """Mix `share` (0 to 1) of `other` into `colour`, per sRGB channel."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    """Return an sRGB channel (0 to 1) as linear light."""
    curve: float = ((channel + 0.055) / 1.055) ** 2.4
    return curve if channel > _LINEAR_END else channel / 12.92
