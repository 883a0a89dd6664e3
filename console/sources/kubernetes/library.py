"""What is used of the Kubernetes client: configuration and authentication, of its asynchronous half only.

``kubernetes/__init__.py`` loads the synchronous half as well, with oauthlib, requests and websockets, and
``kubernetes/aio/__init__.py`` more that is not used: 250 modules that cost 80 ms and 9 MB before the first
list can be asked for. So the packages are made known without running those files.
"""

from __future__ import annotations

import importlib.util
import sys

if "kubernetes" not in sys.modules and (spec := importlib.util.find_spec("kubernetes")) is not None:
    sys.modules["kubernetes"] = importlib.util.module_from_spec(spec)
if "kubernetes.aio" not in sys.modules and (spec := importlib.util.find_spec("kubernetes.aio")) is not None:
    sys.modules["kubernetes.aio"] = importlib.util.module_from_spec(spec)

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
