import pytest
import torch

from episodes import DataError, FixedTask, ImageBank


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((1, 1, 1), "--ways 1 is too small; give at least 2"),
        ((2, 0, 1), "--shots 0 is too small; give at least 1"),
        ((2, 1, 0), "--queries 0 is too small; give at least 1"),
    ],
)
def test_small_numbers_are_refused(numbers: tuple[int, int, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FixedTask(*numbers)


def test_a_bank_that_is_too_small_is_named_with_what_it_has() -> None:
    bank = ImageBank("animals/train", torch.zeros(7, 1, 2, 2, dtype=torch.uint8), ("cat", "owl"), (4, 3), ("g", "g"))
    FixedTask(2, 1, 2).check(bank)
    with pytest.raises(DataError, match=r"'animals/train' has 2 classes; --ways 3 needs at least 3"):
        FixedTask(3, 1, 1).check(bank)
    with pytest.raises(DataError, match=r"has 3 images of class 'owl'; --shots 2 and --queries 2 need 4"):
        FixedTask(2, 2, 2).check(bank)
