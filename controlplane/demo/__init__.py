"""A small, clearly labelled demonstration: what it sets up, and an agent that plays against it."""

from controlplane.demo.loading import Loaded, is_loaded, load

__all__ = ["Loaded", "is_loaded", "load"]
