from episodes.dataset import DataOptions
from episodes.datasets import load, loading_once


def test_within_loading_once_a_dataset_is_read_once_for_the_same_options() -> None:
    with loading_once():
        first = load("glyphs")
        assert load("glyphs", DataOptions()) is first
        assert load("glyphs", DataOptions(image_size=32)) is not first
    assert load("glyphs") is not first
