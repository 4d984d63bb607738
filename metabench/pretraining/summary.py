"""A pre-training in a few lines for the terminal."""

from __future__ import annotations

from metabench.escape import plain
from metabench.weights.encoder_file import About


def summary(about: About) -> str:
    """What the last stage gave, of what network, from how many texts."""
    stretch = about.stages[-1]
    names = "+".join(source.name for source in stretch.sources)
    values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in stretch.values.items())
    steps = stretch.config["options"]["steps"]
    held = sum(source.validation_items for source in stretch.sources)
    shapes = {source.image_shape for source in stretch.sources} - {None}
    size = "".join(f" of {shape[1]} x {shape[2]}" for shape in shapes if shape)
    left_out = f", {stretch.left_out:,} left out that are in validation or test" if stretch.left_out else ""
    spent = stretch.processor_seconds
    processor = "" if spent is None else f" ({spent:.0f} s of processor time)"
    return "\n".join(
        [
            plain(f"{stretch.objective} on {names}: validation {values} (step {stretch.best_step} of {steps})"),
            f"  {plain(about.backbone, 60)} on {stretch.items:,} {about.noun}{size}{left_out}; {held:,} for "
            f"validation; {stretch.seconds:.0f} s{processor}",
        ]
    )
