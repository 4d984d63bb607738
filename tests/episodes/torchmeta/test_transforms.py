import numpy as np
import pytest
from PIL import Image

from episodes import DataError
from episodes.torchmeta.transforms import (
    Categorical,
    DefaultTargetTransform,
    HorizontalFlip,
    NumpyToTorch,
    Rotation,
    SegmentationPairTransform,
    TargetTransform,
    VerticalFlip,
)

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.mark.parametrize("angle", [90, 180, 270, -90, 450])
def test_rotations_are_counter_clockwise(angle: int) -> None:
    turned = Rotation(angle)(Image.fromarray(PIXELS))
    assert np.array_equal(np.asarray(turned), np.rot90(PIXELS, angle // 90 % 4))


def test_a_rotation_by_several_angles_is_several() -> None:
    several = Rotation([90, 450, 30])
    assert list(several) == [Rotation(90), Rotation(90), Rotation(30)]
    assert len(set(several)) == 2
    assert repr(several) == "Rotation(90, 450, 30)"
    assert (repr(Rotation(450)), str(Rotation(450))) == ("Rotation(90)", "Rotation(450)")
    assert Rotation(90) != HorizontalFlip()
    with pytest.raises(ValueError, match="has several angles"):
        several(Image.fromarray(PIXELS))


def test_a_rotation_by_nothing_is_said() -> None:
    with pytest.warns(UserWarning, match="gives the same classes again"):
        Rotation(360)


def test_a_rotation_expands_and_resamples() -> None:
    white = Image.new("L", (20, 20), 255)
    assert Rotation(45, expand=True)(white).size == (30, 30)
    picture = Image.fromarray(np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5) // 100 * 100)
    assert set(np.unique(np.asarray(Rotation(30)(picture)))) == {0, 100, 200}
    smooth = Rotation(30, resample=Image.Resampling.BILINEAR)(picture)
    assert len(np.unique(np.asarray(smooth))) > 3


def test_flips() -> None:
    picture = Image.fromarray(PIXELS)
    assert np.array_equal(np.asarray(HorizontalFlip()(picture)), PIXELS[:, ::-1])
    assert np.array_equal(np.asarray(VerticalFlip()(picture)), PIXELS[::-1])
    assert [*map(repr, [*HorizontalFlip(), *VerticalFlip()])] == ["HorizontalFlip()", "VerticalFlip()"]


def test_classes_are_numbered_as_they_are_met() -> None:
    numbered = Categorical()
    assert [numbered(name) for name in "baab"] == [0, 1, 1, 0]
    numbered.reset()
    assert numbered("a") == 0
    assert repr(Categorical(5)) == "Categorical(5)"


def test_a_class_too_many_is_said() -> None:
    numbered = Categorical(2)
    assert {numbered("a"), numbered("b")} == {0, 1}
    with pytest.raises(DataError, match=r"Categorical\(2\) met a class more, 'c'; give num_classes=3"):
        numbered("c")


def test_targets_of_ones_own() -> None:
    assert DefaultTargetTransform([Rotation(90), Rotation(180)])(("x", Rotation(180))) == ("x", 2)
    with pytest.raises(NotImplementedError):
        TargetTransform()(1)


def test_arrays_and_pairs_as_tensors() -> None:
    assert NumpyToTorch()(PIXELS).tolist() == PIXELS.tolist()
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[:2] = 255
    image, halves = SegmentationPairTransform(6)(Image.fromarray(PIXELS), Image.fromarray(mask))
    assert (image.shape, halves.shape) == ((3, 6, 6), (1, 6, 6))
    assert halves[0, :, 0].tolist() == [1, 1, 1, 0, 0, 0]
