"""What is used of prometheus-api-client, and of requests below it.

requests loads a library that guesses the encoding of a text where the server does not name it: 2 MB, for JSON
that is UTF-8 by definition. It works without, and then takes text for UTF-8.
"""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

_GUESSERS = ("chardet", "charset_normalizer")

_absent: dict[str, ModuleType | None] = {name: None for name in _GUESSERS if name not in sys.modules}
sys.modules.update(_absent)  # type: ignore[arg-type]  # None: such an import fails
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is none
        import requests
        from prometheus_api_client.prometheus_connect import PrometheusConnect
finally:
    for _name in _absent:
        del sys.modules[_name]

__all__ = ["PrometheusConnect", "requests"]
