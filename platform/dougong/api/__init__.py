"""The JSON API: the same use cases as the pages, in wire form."""

from dougong.api.records import blueprint as api

__all__ = ["api"]
