"""What all pictures share: an empty figure, its file, short names."""

from __future__ import annotations

import textwrap
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from metabench.errors import UsageError

LETTER = 0.075  # inches that a letter of a title or legend takes


def check_picture(path: Path) -> None:
    """Raise UsageError unless the name of a picture has an ending that can be drawn to. Call it before long work."""
    endings = FigureCanvasAgg.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in endings:
        raise UsageError(f"cannot write the picture '{path}': its name must end in .png, .pdf or .svg")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    check_picture(path)
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(
            f"cannot write the picture '{path}': {error.strerror or error}; choose a folder that can be written"
        ) from None


def short(name: str, most: int = 32) -> str:
    """At most so many characters of a class name: its beginning and its end."""
    half = most // 2
    return name if len(name) <= most else name[: most - half - 1] + "\N{HORIZONTAL ELLIPSIS}" + name[-half:]


def new_figure(size: tuple[float, float], title: str) -> Figure:
    """An empty figure of that size in inches, with its title in as many lines as it takes."""
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    lines = textwrap.fill(title, int(size[0] / LETTER))
    figure.suptitle(lines, fontsize=9, ha="left", x=0.01, parse_math=False)
    return figure
