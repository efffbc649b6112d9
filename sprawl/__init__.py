"""Sprawl: a Kafka-compatible streaming platform in Python.

`import sprawl` loads nothing but this file; `sprawl.Node` loads a node's parts on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprawl.node import Node

__version__ = "0.1.0"
__all__ = ["Node", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Node":
        from sprawl.node import Node

        return Node
    raise AttributeError(f"module 'sprawl' has no attribute {name!r}")
