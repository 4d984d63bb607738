"""A run's accuracy by test class: its interval over classes, and how low the low ones are.

Records since version 3 have both. Of older ones they are computed from the predictions beside the record, which takes
some 20 ms per record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from metabench.errors import UsageError
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.runs import Run
from metabench.stats.diagnostics import LOW_CLASSES, by_class, over_classes

WHOLE_GROUPS = ("scripts", "scripts-2", "tiered-imagenet", "fc100")  # splits of which no group is in two parts


@dataclass(frozen=True)
class OfClasses:
    """Of a run.

    Attributes:
        half_width: of the 95% interval of its mean over test classes; nan where it cannot be known, as in regression.
        quantile: the 5% quantile of the accuracies of the test classes, 0 to 1; nan likewise.
    """

    half_width: float = math.nan
    quantile: float = math.nan


def of_classes(run: Run) -> OfClasses:
    """From the record, or from the predictions beside it."""
    score = run.record.score
    over, quantile = score.over_classes, score.class_quantile
    if over is not None or quantile is not None:
        return OfClasses(math.nan if over is None else over.half_width, math.nan if quantile is None else quantile)
    if run.folder is None or run.record.predictions is None:
        return OfClasses()
    try:
        predictions = read_predictions(predictions_file(run.folder), run.of_tasks)
    except UsageError:
        return OfClasses()
    quantile = float(by_class(predictions)["accuracy"].quantile(LOW_CLASSES))
    redrawn = over_classes(predictions, run.record.dataset.split in WHOLE_GROUPS)
    return OfClasses(math.nan if redrawn is None else redrawn.half_width, quantile)
