"""Plugins: found, validated and registered once per process, before definitions are read.

Code comes only from the operator's folder or from installed packages, never from a pack.
"""

from engine.plugins.manager import PluginError, load_plugins

__all__ = ["PluginError", "load_plugins"]
