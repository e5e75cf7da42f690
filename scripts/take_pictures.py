"""Take the pictures of the documentation: ``python -P scripts/take_pictures.py FOLDER``.

FOLDER is what ``dougong demo --prepare-only --data FOLDER`` has prepared. The pages are served from
it and photographed with Chromium; the pictures go to ``docs/pictures/``.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from dougong.app import create_app
from dougong.installation import Installation
from dougong.settings import load_settings
from dougong.setup import make_login_link
from dougong.startup import start_plugins

PICTURES: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
COMPANY: Final = "hotel"
MANAGER: Final = "xie.ting"  # has contracts to decide
DESK: Final = {"width": 1280, "height": 760}
PHONE: Final = {"width": 390, "height": 844}


def main() -> None:
    """Serve the folder, take every picture."""
    start_plugins()
    installation = Installation(load_settings(Path(sys.argv[1])))
    PICTURES.mkdir(exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with served(installation) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--lang=zh-CN"]
        )
        desk = entered(browser, installation, base, MANAGER, phone=False)
        phone = entered(browser, installation, base, MANAGER, phone=True)
        drawing = entered(browser, installation, base, "admin", phone=False)
        waiting = first(desk, f"{base}/{COMPANY}/e/contract?f.approval_state.eq=manager")
        draft = first(desk, f"{base}/{COMPANY}/e/contract?f.approval_state.eq=draft")
        for name, page, address in (
            ("home-desk", desk, f"{base}/{COMPANY}/"),
            ("list-desk", desk, f"{base}/{COMPANY}/e/contract"),
            ("contract-desk", desk, waiting),
            ("form-desk", desk, f"{draft}/edit"),
            (
                "workflow-editor-desk",
                drawing,
                f"{base}/{COMPANY}/admin/workflows/contract_approval?at=manager",
            ),
            (
                "permission-matrix-desk",
                drawing,
                f"{base}/{COMPANY}/admin/permissions?role=sales",
            ),
            ("approvals-phone", phone, f"{base}/{COMPANY}/approvals"),
            ("contract-phone", phone, f"{waiting}#approval"),
        ):
            take(page, name, address)
        browser.close()
    installation.close()


@contextmanager
def served(installation: Installation) -> Iterator[str]:
    """The application on a free port; its address."""
    server = make_server("127.0.0.1", 0, create_app(installation), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def entered(
    browser: Browser, installation: Installation, base: str, login: str, *, phone: bool
) -> Page:
    """A browser in which somebody has logged in."""
    company = installation.company(COMPANY)
    assert company is not None
    context = browser.new_context(
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
        device_scale_factor=2 if phone else 1,
        is_mobile=phone,
        has_touch=phone,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
    )
    page = context.new_page()
    page.goto(make_login_link(installation, company, login, "login", base))
    page.get_by_role("button").first.click()
    page.wait_for_url(f"**/{COMPANY}/")
    return page


def first(page: Page, address: str) -> str:
    """The address of the first record of a list."""
    page.goto(address)
    return str(page.locator("a.sheet-title").first.evaluate("link => link.href"))


def take(page: Page, name: str, address: str) -> None:
    """One picture."""
    page.goto(address)
    page.locator("html[data-ready]").wait_for(state="attached")
    if name.startswith("form"):  # its table of rows is what is worth seeing
        page.locator("[data-lines]").first.evaluate(
            "e => e.scrollIntoView({block: 'center', behavior: 'instant'})"
        )
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    click.echo(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
