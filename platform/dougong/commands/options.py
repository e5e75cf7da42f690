"""Options several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dougong.installation import Installation, packs_roots
from dougong.settings import load_settings
from engine.records.company import Company
from engine.storage import StorageError

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the companies' data  [default: $DOUGONG_DATA or ~/.local/share/dougong]",
)
packs_option = click.option(
    "--packs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Folder that holds entity_defs/ and workflows/; searched before the shipped ones",
)


def with_installation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the installation in ``--data`` as its first argument."""

    @data_option
    @click.pass_context
    def wrapper(context: click.Context, /, data: Path | None, **arguments: Any) -> Any:
        installation = Installation(load_settings(data))
        context.call_on_close(installation.close)
        return context.invoke(function, installation, **arguments)

    wrapper.__doc__ = function.__doc__
    wrapper.__name__ = function.__name__
    existing = getattr(function, "__click_params__", [])
    wrapper.__click_params__ = [*existing, *wrapper.__click_params__]  # type: ignore[attr-defined]
    return wrapper


def roots(packs: tuple[Path, ...]) -> list[Path]:
    """Where to look for packs, in order."""
    return [path.resolve() for path in packs] + packs_roots()


def company_of(installation: Installation, key: str) -> Company:
    """The company `key`. Raises: StorageError when there is none."""
    found = installation.company(key)
    if found is None:
        raise StorageError("S103", key=key, known=installation.companies() or "–")
    return found
