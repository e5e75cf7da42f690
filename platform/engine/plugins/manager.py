"""The plugin manager: folders and entry points in, registered field types and channels out."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pluggy

from engine.fields import FieldType, register
from engine.hooks import GROUP, ChannelKind, register_channel, specs


class PluginError(Exception):
    """A plugin that cannot be used; the message names it and what is wrong."""

    def __init__(self, plugin: str, reason: object) -> None:
        super().__init__(f"plugin {plugin!r}: {reason}")


def load_plugins(folders: Iterable[Path] = ()) -> pluggy.PluginManager:
    """Load every plugin below `folders` and every installed one, and register what they offer.

    Raises: PluginError when one cannot be imported, implements an unknown hook, names an argument
    that the hook does not have, or offers a type whose name is taken.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(specs)
    try:
        manager.load_setuptools_entrypoints(GROUP)
        for path in _plugin_files(folders):
            manager.register(_import(path), name=path.parent.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(getattr(error.plugin, "__name__", "?"), error) from error
    _register_field_types(manager)
    _register_channels(manager)
    return manager


def _plugin_files(folders: Iterable[Path]) -> list[Path]:
    return sorted(file for folder in folders for file in folder.glob("*/plugin.py"))


def _import(path: Path) -> ModuleType:
    """Import ``<folder>/plugin.py`` under a name of its own, so that two plugins never collide."""
    name = f"dougong_plugins.{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PluginError(path.parent.name, f"{type(error).__name__}: {error}") from error
    return module


def _register_field_types(manager: pluggy.PluginManager) -> None:
    for implementation in manager.hook.field_types.get_hookimpls():
        offered: Iterable[type[FieldType]] = implementation.function()  # type: ignore[assignment]
        for found in offered:
            try:
                register(found)
            except (TypeError, ValueError) as error:
                raise PluginError(implementation.plugin_name, error) from error


def _register_channels(manager: pluggy.PluginManager) -> None:
    for implementation in manager.hook.channels.get_hookimpls():
        offered: Iterable[ChannelKind] = implementation.function()  # type: ignore[assignment]
        for found in offered:
            try:
                register_channel(found)
            except (TypeError, ValueError) as error:
                raise PluginError(implementation.plugin_name, error) from error
