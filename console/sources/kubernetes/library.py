"""What is used of the Kubernetes client: configuration and authentication, of its asynchronous half only.

``kubernetes/__init__.py`` loads the synchronous half as well, with oauthlib, requests and websockets,
``kubernetes/aio/__init__.py`` more that is not used, and ``kubernetes/aio/client/__init__.py`` pydantic for
models that are never built: 350 modules that cost 150 ms and 21 MB before the first list can be asked for.
So the packages are made known without running those files.
"""

from __future__ import annotations

import logging
import sys

from console.sources.packages import skip_init

_CLIENT = "kubernetes.aio.client"

# Python prints the warnings of a library without any handler on stderr, where the console is drawn and where
# our own sentence about the same failure follows.
logging.getLogger("kubernetes").addHandler(logging.NullHandler())

skip_init("kubernetes", "kubernetes.aio", _CLIENT)

from kubernetes.aio.client.configuration import Configuration

if not hasattr(sys.modules[_CLIENT], "Configuration"):
    # The loaders import both names from the package. They build the second one only where a whole client is
    # asked of them, which is not done here.
    sys.modules[_CLIENT].__dict__.update(Configuration=Configuration, ApiClient=None)

from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import ConfigNode, FileOrData, KubeConfigLoader, KubeConfigMerger

__all__ = [
    "ConfigException",
    "ConfigNode",
    "Configuration",
    "FileOrData",
    "InClusterConfigLoader",
    "KubeConfigLoader",
    "KubeConfigMerger",
]
