"""The critical-difference diagram."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from metabench.plots import save_figure
from metabench.ranking import Ranking


def draw_critical_differences(ranking: Ranking, path: Path) -> None:
    """Average ranks on a line, the best on the left, with bars over learners that do not differ significantly.

    By Nemenyi's test. Source: Demšar 2006, JMLR 7, section 3.2.2.

    Args:
        ranking: see `metabench.ranking.rank`.
        path: the picture's file; its ending chooses the format (png, pdf, svg).

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    from scikit_posthocs import critical_difference_diagram  # seconds to import

    figure = Figure(figsize=(9, 1.5 + 0.25 * len(ranking.average_ranks)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    critical_difference_diagram(
        ranking.average_ranks,
        ranking.nemenyi,
        ax=axes,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
    )
    axes.set_title(
        f"Average rank over {ranking.blocks} datasets; those joined by a bar do not differ significantly "
        f"(critical difference {ranking.critical_difference:.2f})",
        fontsize=9,
        pad=14,
    )
    save_figure(figure, path)
