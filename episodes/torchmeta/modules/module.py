"""MetaModule: a module that can be called with other parameters than its own."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import Tensor, nn


class MetaModule(nn.Module):
    """A module whose `forward` takes `params`, a mapping of parameter names to tensors used instead of its own.

    The tensors keep their graph, so that an outer loss can be differentiated through an inner update. Only the
    parameters of modules that are themselves MetaModules are meta-parameters.
    """

    def meta_named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
        """The meta-parameters with their names, each once."""
        met: set[int] = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            if isinstance(module, MetaModule):
                for name, parameter in module.named_parameters(prefix=path, recurse=False):
                    if id(parameter) not in met:
                        met.add(id(parameter))
                        yield name, parameter

    def meta_parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The meta-parameters."""
        return (parameter for _, parameter in self.meta_named_parameters(recurse=recurse))

    def get_subdict(
        self, params: Mapping[str, Tensor] | None, key: str | None = None
    ) -> OrderedDict[str, Tensor] | None:
        """Of `params` those of the submodule `key`, named as that names them; None, with a warning, if it has none."""
        if params is None:
            return None
        if key is None:
            return OrderedDict(params)
        found = OrderedDict(
            (name.removeprefix(f"{key}."), value) for name, value in params.items() if name.startswith(f"{key}.")
        )
        if not found:
            warnings.warn(
                f"params has nothing for the submodule '{key}' of {type(self).__name__}, which keeps its own; "
                f"there are {', '.join(params)}",
                stacklevel=2,
            )
        return found or None
