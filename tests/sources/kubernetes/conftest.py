"""Fixtures of the Kubernetes tests."""

from tests.sources.kubernetes.certificates import pki

__all__ = ["pki"]
