"""Names that are near to an unknown one."""

import pytest

from episodes.errors import nearest, renamed

NAMES = ["maml", "meta_sgd", "protonet", "Dog", "shots"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("MAML", "maml"), ("ProtoNet", "protonet"), ("dog", "Dog"), ("shot", "shots"), ("Meta-SGD", "meta_sgd")],
)
def test_the_nearest_name_is_meant_in_any_case(name: str, meant: str) -> None:
    assert nearest(name, NAMES) == f"; did you mean '{meant}'?"
    assert renamed(name, NAMES) == f"; rename '{meant}' to '{name}'"


@pytest.mark.parametrize("name", ["", "zzz", "learning_rate"])
def test_nothing_is_meant_where_no_name_is_near(name: str) -> None:
    assert nearest(name, NAMES) == renamed(name, NAMES) == ""
