"""Filters that bring pictures to a size and an upright, opaque, usual look.

A picture in the middle of a film may have another shape than the first one. It is fitted for
itself: with `eval=frame` the filters look at each picture that comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fit = Literal["contain", "cover", "stretch"]

# Two shapes that differ by less are the same: containers round the shape of pixels.
_SAME_SHAPE = 1e-3


@dataclass(frozen=True)
class PictureSize:
    """`width` x `height` pixels; `inner` is what the picture is scaled to before it is cut to
    that size, or set in the middle of it. `source` is the size that is brought to it, and `fit`
    the way, which also holds for parts of another shape."""

    width: int
    height: int
    inner: tuple[int, int]
    source: tuple[int, int] | None = None
    fit: Fit = "stretch"

    @classmethod
    def fitted(cls, width: int, height: int, source: tuple[int, int], fit: Fit) -> PictureSize:
        """A source of the size `source` brought to `width` x `height`: "contain" shows all of it
        with bars, "cover" fills everything and cuts what is too much, "stretch" distorts."""
        across, down = width / source[0], height / source[1]
        if fit == "stretch" or across == down:
            return cls(width, height, (width, height), source, fit)
        factor = min(across, down) if fit == "contain" else max(across, down)
        wide = max(1, round(source[0] * factor))
        high = max(1, round(source[1] * factor))
        return cls(width, height, (wide, high), source, fit)

    @classmethod
    def inside(cls, width: int | None, height: int | None, source: tuple[int, int]) -> PictureSize:
        """The largest size of the shape of `source` inside `width` x `height`; a missing side is
        free, and with none it is the size of the source. Raises ValueError for sides below 1."""
        if (width is not None and width < 1) or (height is not None and height < 1):
            raise ValueError("width and height are at least 1")
        shape = source[0] / source[1]
        if width is None and height is None:
            width, height = source
        wide = height * shape if width is None and height is not None else float(width or 1)
        high = width / shape if height is None and width is not None else float(height or 1)
        if width is not None and height is not None:
            wide, high = min(width, height * shape), min(height, width / shape)
        # As ffmpeg rounds, halves up.
        found = max(1, int(wide + 0.5)), max(1, int(high + 0.5))
        return cls(*found, found, source, "contain")

    @property
    def has_bars(self) -> bool:
        """Whether the picture does not fill all of it, or a part of another shape may not."""
        wide, high = self.inner
        return self.fit == "contain" or wide < self.width or high < self.height

    @property
    def is_cut(self) -> bool:
        """Whether a part of the picture is cut off."""
        return self.inner[0] > self.width or self.inner[1] > self.height


def scale(size: PictureSize, *, stored: bool = False) -> str:
    """Width and height of the scale filter, such as "64:48".

    Each picture of the source's own shape gets `size.inner`; one of another shape is fitted for
    itself, unless the way is to distort. With `stored` the shape is that of the picture as it
    is stored, without that of its pixels.
    """
    wide, high = size.inner
    if size.fit == "stretch" or size.source is None:
        return f"{wide}:{high}"
    shape = "a" if stored else "dar"
    is_same = f"lt(abs({shape}*{size.source[1]}/{size.source[0]}-1),{_SAME_SHAPE})"
    least = "min" if size.fit == "contain" else "max"
    across = f"max(1,round({least}({size.width},{size.height}*{shape})))"
    down = f"max(1,round({least}({size.height},{size.width}/{shape})))"
    # Without `eval` all pictures get the size that the first one got.
    return f"w='if({is_same},{wide},{across})':h='if({is_same},{high},{down})':eval=frame"


def pad(size: PictureSize, colour: str) -> str:
    """The filter that sets a picture in the middle of its size; it must know where the planes of
    a pixel are, so give it RGB."""
    return f"pad={size.width}:{size.height}:(ow-iw)/2:(oh-ih)/2:{colour}:eval=frame"


def over(background: tuple[int, int, int]) -> str:
    """Filters that put pictures with transparency over (red, green, blue).

    Over a plain copy of the picture itself, which has the same times; and before it is scaled,
    which would mix in the colours of what is not to be seen. The scale filter's own blending
    leaves palettes as they are and darkens YUV.
    """
    red, green, blue = background
    return (
        f"format=rgba,split[over][under];[under]lutrgb=r={red}:g={green}:b={blue}:a=255[plain];"
        "[plain][over]overlay=format=rgb"
    )
