"""The browser runs every page under the policy that the server sends, and reports nothing."""

from __future__ import annotations

import pytest

from tests.browser.site import Page

#: Reads what the browser would report to a server.
REPORTS = """
const done = arguments[arguments.length - 1];
const found = [];
new ReportingObserver((reports) => found.push(...reports.map((r) => r.body)),
  { types: ["csp-violation"], buffered: true }).observe();
const text = (f) => `${f.effectiveDirective} ${f.blockedURL} ${f.sample}`;
setTimeout(() => done(found.map(text)), 300);
"""


def reports(page: Page) -> list[str]:
    return page.driver.execute_async_script(REPORTS)


@pytest.mark.parametrize("path", ["", "variants", "models", "status", "nowhere"])
def test_page_needs_nothing_that_the_policy_forbids(page: Page, path: str) -> None:
    page.driver.get(f"{page.site.url}/{path}")
    page.until("return document.querySelector('main h1, .page')", what=path)
    assert reports(page) == []


def test_drawing_needs_nothing_that_the_policy_forbids(page: Page) -> None:
    page.open(locus="chr22:21,742,000-21,742,400")
    page.keys("+")
    page.wait_drawn()
    assert reports(page) == []


def test_script_that_was_brought_in_is_not_run(page: Page) -> None:
    page.open()
    page.run(
        "const made = document.createElement('script'); made.textContent = 'window.hurt = 1';"
        "document.body.append(made);"
        "document.getElementById('status').insertAdjacentHTML('beforeend',"
        " '<img src=x onerror=\"window.hurt = 1\">')"
    )
    found = reports(page)
    assert any(f.startswith("script-src-elem inline") for f in found)
    assert any(f.startswith("script-src-attr inline") for f in found)
    assert page.run("return window.hurt") is None
    page.complaints()  # the browser says the same in its log
