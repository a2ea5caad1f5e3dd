"""A running Locuscope and a Chromium to look at it; used by tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / ".cache" / "screenshots"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --force-device-scale-factor=1"
)
MAPK1 = "chr22:21,691,454-21,822,524"


def free_port() -> int:
    """Returns a port on which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Site:
    """`locuscope serve` on a free port, with a cache of its own."""

    def __init__(
        self, genome: Path, weights: Path, cache: Path, *parts: str, **settings: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cache = cache
        self.environment = os.environ | settings
        self.environment |= {
            "LOCUSCOPE_GENOMES": str(genome),
            "LOCUSCOPE_WEIGHTS": str(weights),
            "LOCUSCOPE_CACHE_DIR": str(cache),
            "LOCUSCOPE_PORT": str(self.port),
        }
        self.log = (cache / "site.log").open("ab")
        self.processes = [self.start(part) for part in parts or ("serve",)]
        self.wait_for_page()

    def start(self, part: str) -> subprocess.Popen[bytes]:
        """Starts one part of Locuscope in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", part],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_for_page(self) -> None:
        """Waits until the page answers."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/api/v1/genomes", timeout=2).close()
                return
            time.sleep(0.2)
        raise TimeoutError((self.cache / "site.log").read_text()[-4000:])

    def stop(self) -> None:
        """Ends everything in order: a worker hands back its job before the broker goes."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.log.close()


@contextlib.contextmanager
def chromium(width: int = 1440, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Opens a quiet headless Chromium."""
    options = Options()
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
    )
    try:
        resize(driver, width, height)
        yield driver
    finally:
        driver.quit()


def resize(driver: webdriver.Chrome, width: int, height: int) -> None:
    """Gives the page itself this size, whatever the window's frame takes."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )


class Page:
    """`/browse` as a person uses it."""

    def __init__(self, driver: webdriver.Chrome, site: Site) -> None:
        self.driver = driver
        self.site = site

    def open(self, query: str = "", wait: bool = True, **params: Any) -> Page:
        """Opens a view and waits until its data are drawn and nothing is being computed."""
        query = query or urlencode(params, doseq=True)
        self.driver.get(f"{self.site.url}/browse?{query}")
        if wait:
            self.wait_drawn()
        return self

    def run(self, script: str, *args: Any) -> Any:
        """Runs JavaScript in the page."""
        return self.driver.execute_script(script, *args)

    def until(self, script: str, *args: Any, seconds: float = 120, what: str = "") -> Any:
        """Waits until JavaScript returns something true, and returns it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = self.run(script, *args)
            if value:
                return value
            time.sleep(0.05)
        raise TimeoutError(what or script)

    def wait_drawn(self, seconds: float = 120) -> None:
        """Waits until the view is drawn and everything that can be predicted is."""
        self.until(
            "if (!document.querySelector('#centre-slot #centre')) return false;"
            "const s = locuscope.state(); return s.drawn &&"
            "!document.documentElement.classList.contains('loading') &&"
            "(!s.progress || s.progress.complete || s.progress.failed) &&"
            "!document.querySelector('#row-messages').textContent.includes('Computing')",
            seconds=seconds,
            what="the view was not drawn",
        )

    def locus(self) -> tuple[str, int, int]:
        """Returns the locus that is drawn: chromosome, start, end (0-based half-open)."""
        base = self.run("return locuscope.state().base")
        return base["chromosome"], base["start"], base["end"]

    def element(self, css: str) -> WebElement:
        """Returns the first element that matches."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def elements(self, css: str) -> list[WebElement]:
        """Returns all elements that match."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        """Returns the text of the first element that matches."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", css))

    def keys(self, *keys: str) -> None:
        """Types into whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def type_locus(self, text: str) -> None:
        """Types into the locus box, in place of what it holds."""
        self.element("#locus").click()
        self.run("document.getElementById('locus').select()")
        self.keys(text)

    def search(self, text: str) -> None:
        """Types into the locus box and presses Enter."""
        self.type_locus(text)
        self.keys("\n")

    def drag(self, css: str, dx: int, *, x: int = 0, y: int = 0, shift: bool = False) -> None:
        """Drags from (x, y) off the middle of an element, dx px to the right."""
        key = "\ue008"
        chain = ActionChains(self.driver, duration=80)
        if shift:
            chain.key_down(key)
        chain.move_to_element_with_offset(self.element(css), x, y).click_and_hold()
        for _ in range(8):
            chain.move_by_offset(dx // 8, 0)
        chain.release()
        if shift:
            chain.key_up(key)
        chain.perform()

    def screenshot(self, name: str) -> Path:
        """Keeps a picture of the page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def complaints(self) -> list[str]:
        """Returns the errors that the browser logged since the last call."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "favicon" not in entry["message"]
        ]


@contextlib.contextmanager
def visit(driver: webdriver.Chrome, site: Site) -> Iterator[Page]:
    """Gives a page at 1440 x 900; whatever the browser complains about fails the test."""
    resize(driver, 1440, 900)
    page = Page(driver, site)
    page.complaints()
    yield page
    assert page.complaints() == []
