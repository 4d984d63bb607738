"""metabench: the few-shot and transfer-learning benchmark."""

from typing import Any

import lazy_loader

# The names of `__init__.pyi`, imported when first used: torch takes seconds, and reading records does not need it.
_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("metabench")
    return _attribute(name)
