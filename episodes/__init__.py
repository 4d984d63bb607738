"""From datasets to episodes: the tasks that few-shot learners are trained and scored on."""

import lazy_loader

# As `__init__.pyi` says, but only when it is asked for: torch takes seconds, and who reads records needs none of it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
