"""Derive an accessible palette from the brand colour, changing it as little as possible (WCAG 2.2).

Where only a muddy colour would be readable, the pages use ink instead: docs/decisions/0057.
"""

import re
from collections.abc import Iterable
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from portal.core.settings.site import Picture, Site

TEXT = 7.0  # minimum contrast of text (WCAG 2.2, 1.4.6, level AAA)
DARK_FILL = 5.2  # in dark mode, bright buttons with dark text (at 7 and more) are easier on the eye
SHAPE = 3.0  # minimum contrast of borders, focus rings, icons (WCAG 2.2, 1.4.11)
# The backgrounds and the ink of static/css/base.css
LIGHT_GROUNDS = ("#ffffff", "#f4f5f7", "#fdf0ef", "#ecf6f0", "#fdf4e3")
DARK_GROUNDS = ("#14171b", "#1f242a", "#33191a", "#15291d", "#2d2413")
LIGHT_INK = "#1b1f24"
DARK_INK = "#e7e9ec"
BLACK = "#000000"
WHITE = "#ffffff"

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LINEAR_END = 0.04045  # end of the linear part of the sRGB transfer function (IEC 61966-2-1)
_STEPS = 50
_NOTICED = 1.1  # minimum contrast between a button at rest and on hover
_COLOURFUL = 0.2  # minimum difference of a colour's strongest and weakest channel, from 0 to 1
_MUDDY_HUES = (25 / 360, 75 / 360)  # orange and yellow, darkened, are brown and olive


class ColourInvalid(ValueError):
    """Not a colour of the form #rrggbb."""


@dataclass(frozen=True)
class Palette:
    """The colours derived from one brand colour for one set of backgrounds.

    `accent` fills buttons, with `on_accent` as their text and `accent_edge` around them; `mark` is for shapes
    that say something.
    """

    accent: str
    accent_strong: str
    on_accent: str
    accent_edge: str
    mark: str
    link: str

    @classmethod
    def light(cls, colour: str) -> "Palette":
        """Return the palette on light backgrounds: a pale colour fills buttons, inside an edge of ink."""
        grounds, ink = LIGHT_GROUNDS, LIGHT_INK
        seen = _contrast_on(grounds, colour) >= SHAPE
        return cls._around(
            colour if seen or _is_colourful(colour) else ink,
            edge=colour if seen else ink,
            mark=_readable(colour, grounds, BLACK, SHAPE, ink),
            link=_readable(colour, grounds, BLACK, TEXT, ink),
        )

    @classmethod
    def dark(cls, colour: str) -> "Palette":
        """Return the palette on dark backgrounds."""
        grounds, ink = DARK_GROUNDS, DARK_INK
        accent = _readable(colour, grounds, WHITE, DARK_FILL, ink)
        return cls._around(
            accent, edge=accent, mark=accent, link=_readable(colour, grounds, WHITE, TEXT, ink)
        )

    @classmethod
    def _around(cls, accent: str, *, edge: str, mark: str, link: str) -> "Palette":
        on_accent = max(WHITE, BLACK, key=lambda ink: contrast(ink, accent))
        return cls(accent, _hovered(accent, on_accent), on_accent, edge, mark, link)


@dataclass(frozen=True)
class Theme:
    """The palettes of one brand colour for light and dark mode."""

    light: Palette
    dark: Palette

    @classmethod
    @lru_cache(maxsize=16)  # each mail asks
    def from_colour(cls, colour: str) -> "Theme":
        """Return the theme of a colour `#rrggbb`. Raises ColourInvalid."""
        if not _COLOUR.fullmatch(colour):
            raise ColourInvalid("A colour is written #rrggbb")
        return cls(light=Palette.light(colour.lower()), dark=Palette.dark(colour.lower()))


def stylesheet(theme: Theme) -> str:
    """Return the CSS rules that override the colours of static/css/base.css with `theme`."""
    return (
        f":root {{\n{_rules(theme.light)}}}\n\n"
        f"@media (prefers-color-scheme: dark) {{\n:root {{\n{_rules(theme.dark)}}}\n}}\n"
    )


def sample(theme: Theme) -> str:
    """Return the CSS rules that give samples, in light and dark mode side by side, the colours of `theme`."""
    return f".sample-light {{\n{_rules(theme.light)}}}\n\n.sample-dark {{\n{_rules(theme.dark)}}}\n"


def urls(site: Site) -> dict[str, str]:
    """Return the URLs of the organisation's style sheet and logos: others for what was changed."""
    return {
        "theme_url": f"/theme.css?v={version(site.brand_colour)}",
        "logo_url": _logo_url("/logo", site.light_logo),
        "logo_dark_url": _logo_url("/logo-dark", site.dark_logo),
    }


def version(colour: str) -> str:
    """Return the version in the URL of a colour's style sheet."""
    return colour.removeprefix("#").lower()


def picture_version(picture: Picture) -> str:
    """Return the version in the URL of a logo."""
    return picture.digest[:12]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _logo_url(path: str, logo: Picture | Path | None) -> str:
    return f"{path}?v={picture_version(logo)}" if isinstance(logo, Picture) else path


def _rules(palette: Palette) -> str:
    return "".join(f"  --{name.replace('_', '-')}: {value};\n" for name, value in asdict(palette).items())


def _readable(colour: str, grounds: tuple[str, ...], towards: str, min_contrast: float, ink: str) -> str:
    """Return the colour nearest to `colour` that reaches `min_contrast` on every background.

    It is `ink` where that would be a grey, a brown or an olive that the organisation never chose.
    """
    if _contrast_on(grounds, colour) >= min_contrast:
        return colour
    hue, _, _ = rgb_to_hls(*_channels(colour))
    if not _is_colourful(colour) or (towards == BLACK and _MUDDY_HUES[0] <= hue <= _MUDDY_HUES[1]):
        return ink
    for step in range(1, _STEPS):
        candidate = _shift_lightness(colour, towards, step / _STEPS)
        if _contrast_on(grounds, candidate) >= min_contrast:
            return candidate
    return ink


def _contrast_on(grounds: tuple[str, ...], colour: str) -> float:
    return min(contrast(colour, ground) for ground in grounds)


def _is_colourful(colour: str) -> bool:
    return (max(_channels(colour)) - min(_channels(colour))) >= _COLOURFUL


def _hovered(accent: str, on_accent: str) -> str:
    """Return the accent on hover: further from the colour of the text if possible, otherwise nearer."""
    away = BLACK if on_accent == WHITE else WHITE
    steps = (_blend(accent, away, 0.18), _blend(accent, away, 0.3), _blend(accent, on_accent, 0.18))
    return next(step for step in steps if contrast(step, accent) >= _NOTICED)


def _shift_lightness(colour: str, other: str, share: float) -> str:
    """Move the lightness of `colour` by `share` (0 to 1) towards black or white; keep hue and saturation."""
    hue, lightness, saturation = rgb_to_hls(*_channels(colour))
    lightness += (_channels(other)[0] - lightness) * share
    return _written(hls_to_rgb(hue, lightness, saturation))


def _blend(colour: str, other: str, share: float) -> str:
    """Mix `share` (0 to 1) of `other` into `colour`, per sRGB channel."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return _written(one + (two - one) * share for one, two in pairs)


def _channels(colour: str) -> tuple[float, float, float]:
    """Return red, green and blue, from 0 to 1."""
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _written(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(channel) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    """Return an sRGB channel (0 to 1) as linear light."""
    curve: float = ((channel + 0.055) / 1.055) ** 2.4
    return curve if channel > _LINEAR_END else channel / 12.92
