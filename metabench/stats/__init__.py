"""Numbers in, numbers out: intervals, comparison, ranking, stopping, diagnostics."""

from metabench.stats.intervals import (
    Estimate,
    SeedEstimate,
    class_interval,
    mean_interval,
    query_interval,
    seed_interval,
)

__all__ = ["Estimate", "SeedEstimate", "class_interval", "mean_interval", "query_interval", "seed_interval"]
