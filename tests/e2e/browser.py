"""Chromium in front of Label Studio and the dashboard, as an expert and a lead use them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from ml_backend.operations.launch.label_studio import LOGIN
from ml_backend.settings import Settings

ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts"
"""Folder that keeps the screenshots of the last run."""

PATIENCE = 180.0
"""Seconds that a page may take on a busy machine."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Label Studio's pages ask for things on the internet; a machine without it must not wait for them.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

_SELECTED = "const store = window.Htx && Htx.annotationStore; const selected = store && store.selected;"
_DRAWN = (
    "wanted => {"
    + _SELECTED
    + "if (!selected) return false; const image = selected.objects.find(o => o.type === 'image');"
    "return image && image.currentImageEntity && image.currentImageEntity.imageLoaded && image.stageWidth > 1"
    " && selected.regions.length === wanted; }"
)
_IMAGE = "() => { const image = Htx.annotationStore.selected.objects.find(o => o.type === 'image');"
_SERIALIZED = "() => Htx.annotationStore.selected.serializeAnnotation()"


def chromium() -> str:
    """Path of the browser; where there is none the tests that need it fail with what to do."""
    named = os.environ.get("PAPLOOP_CHROMIUM") or "chromium"
    found = shutil.which(named)
    assert found, (
        f"No browser: {named!r} was not found. Say `make test`, which installs Chromium where it can (Debian as root), "
        "install it yourself (apt-get install --no-install-recommends chromium), or set PAPLOOP_CHROMIUM to one."
    )
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium with an empty profile of its own."""
    path = chromium()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS), timeout=PATIENCE * 1000)
        try:
            yield browser
        finally:
            browser.close()


def keep(page: Page, name: str) -> Path:
    """Save what a page shows below `ARTIFACTS`."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    page.screenshot(path=path, full_page=True, timeout=PATIENCE * 1000)
    return path


def _context(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, **options)
    context.set_default_timeout(PATIENCE * 1000)
    return context


@dataclass
class Editor:
    """Label Studio's labeling screen, logged in as the expert of `paploop up`."""

    page: Page
    address: str

    @classmethod
    def log_in(cls, browser: Browser, settings: Settings, password: str) -> Editor:
        page = _context(browser).new_page()
        address = settings.label_studio_url.rstrip("/")
        page.goto(f"{address}/user/login/", wait_until="commit")
        page.fill("input[name=email]", LOGIN)
        page.fill("input[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: urlsplit(url).path != "/user/login/", wait_until="commit")
        return cls(page, address)

    def open_task(self, project: int, task: int, regions: int) -> None:
        """Open a task from the Data Manager and wait until its picture and so many regions are drawn."""
        self.page.goto(f"{self.address}/projects/{project}/data?task={task}", wait_until="commit")
        self.wait_for_task(task, regions)

    def label_all_tasks(self, project: int) -> int:
        """Press "Label All Tasks"; answers which task the project's order puts first.

        The address that the button leads to, opened by itself, hands tasks out as the Data Manager lists them.
        """
        self.page.goto(f"{self.address}/projects/{project}/data", wait_until="commit")
        self.page.get_by_role("button", name="Label All Tasks").click()
        return self.task_after(None)

    def task_after(self, previous: int | None) -> int:
        """Wait until the label stream shows a task, or another one than before; answers its id."""
        ready = "previous => {" + _SELECTED + "return selected && Htx.task && Number(Htx.task.id) !== previous; }"
        self.page.wait_for_function(ready, arg=previous)
        return int(self.page.evaluate("() => Number(Htx.task.id)"))

    def wait_for_task(self, task: int, regions: int) -> None:
        self.page.wait_for_function("task => window.Htx && Htx.task && Number(Htx.task.id) === task", arg=task)
        self.page.wait_for_function(_DRAWN, arg=regions)
        self.settle()

    def settle(self) -> None:
        """Let the canvas finish drawing: two frames."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def results(self) -> list[dict[str, Any]]:
        """What the editor would send for the annotation on the screen."""
        found: list[dict[str, Any]] = self.page.evaluate(_SERIALIZED)
        return found

    def turn_picture(self) -> None:
        """Turn the whole picture by 90 degrees clockwise with the editor's button."""
        self.page.get_by_role("button", name="rotate-right").click()
        self.page.wait_for_function(_IMAGE + "return image.rotation === 90; }")
        self.settle()

    def canvas(self) -> bytes:
        """What the canvas shows, as PNG; the picture's upper left corner is the canvas's."""
        return self.page.locator(".konvajs-content").first.screenshot()

    def with_and_without_regions(self) -> tuple[bytes, bytes]:
        """What the canvas shows, and what it shows while all regions are hidden."""
        shown = self.canvas()
        self.page.get_by_role("button", name="Hide all regions").click()
        self.page.wait_for_function("() => Htx.annotationStore.selected.regions.every(region => region.hidden)")
        self.settle()
        hidden = self.canvas()
        self.page.get_by_role("button", name="Show all regions").click()
        self.page.wait_for_function("() => Htx.annotationStore.selected.regions.every(region => !region.hidden)")
        return shown, hidden

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press, move and release the mouse; places in px from the upper left corner of the canvas."""
        frame = self.page.locator(".konvajs-content").first.bounding_box()
        assert frame is not None
        mouse, (x, y) = self.page.mouse, (frame["x"], frame["y"])
        mouse.move(x + start[0], y + start[1])
        mouse.down()
        for part in (0.3, 0.7, 1.0):
            mouse.move(x + start[0] + part * (end[0] - start[0]), y + start[1] + part * (end[1] - start[1]))
        mouse.up()

    def submit(self) -> None:
        self.page.click("button[name=submit]")


@dataclass
class Dashboard:
    """The page of a project."""

    page: Page

    @classmethod
    def open(cls, browser: Browser, settings: Settings, project: int) -> Dashboard:
        login = {
            "username": settings.basic_auth_user,
            "password": settings.basic_auth_password.get_secret_value(),
        }
        page = _context(browser, http_credentials=login).new_page()
        page.goto(f"{settings.resolved_public_url}/dashboard/{project}")
        return cls(page)

    def choose_strategy(self, name: str) -> None:
        """Choose and save."""
        self.page.select_option("select[name=strategy]", name)
        self.press("Save", "settings")

    def press(self, button: str, action: str) -> None:
        """Press a button and make sure that its action was done."""
        with self.page.expect_navigation(wait_until="domcontentloaded") as sent:
            self.page.get_by_role("button", name=button, exact=True).click()
        assert sent.value.url.endswith(f"?done={action}"), self.page.inner_text("body")

    def shows(self, condition: Callable[[Page], Locator]) -> None:
        """Wait until something is on the page, which refreshes by itself."""
        condition(self.page).first.wait_for()

    def reasons(self) -> list[str]:
        """Why each of the next images comes next, in order."""
        return self.page.locator("#next .why").all_inner_texts()
