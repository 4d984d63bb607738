"""From datasets to episodes: the tasks that few-shot learners are trained and scored on."""

import lazy_loader

# The names of `__init__.pyi`, imported when first used: torch takes seconds, and reading records does not need it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
