"""What is used of the Kubernetes client: configuration and authentication, of its asynchronous half only.

``kubernetes/__init__.py`` loads the synchronous half as well, with oauthlib, requests and websockets: two
hundred modules that cost 70 ms and 7 MB before the first list can be asked for. So the package is made known
without running that file.
"""

from __future__ import annotations

import importlib.util
import sys

if "kubernetes" not in sys.modules and (spec := importlib.util.find_spec("kubernetes")) is not None:
    sys.modules["kubernetes"] = importlib.util.module_from_spec(spec)

from kubernetes.aio.client import Configuration
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import ConfigNode, KubeConfigLoader, KubeConfigMerger

__all__ = [
    "ConfigException",
    "ConfigNode",
    "Configuration",
    "InClusterConfigLoader",
    "KubeConfigLoader",
    "KubeConfigMerger",
]
