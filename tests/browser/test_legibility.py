"""Every text of every page can be read on its ground."""

from __future__ import annotations

import pytest

from tests.browser.site import MAPK1, Page

#: Every text whose computed colour has too little contrast with the grounds below it (WCAG 2).
FAINT = """
const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
function rgba(text) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
}
const over = (top, below) =>
  [0, 1, 2].map((i) => (top[i] * top[3] + below[i] * (255 - top[3])) / 255).concat(255);
const linear = (c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function ground(node) {
  const all = [];
  for (let one = node; one; one = one.parentElement) {
    all.unshift(rgba(getComputedStyle(one).backgroundColor));
    if (all[0][3] === 255) break;
  }
  return all.reduce((below, top) => over(top, below), [255, 255, 255, 255]);
}
const looked = { texts: 0, faint: [] };
function look(text, node, ink) {
  if (!text.trim() || !node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) {
    return;
  }
  const below = ground(node);
  const [low, high] = [light(over(rgba(ink), below)), light(below)].sort((a, b) => a - b);
  looked.texts += 1;
  if ((high + 0.05) / (low + 0.05) < 4.5) looked.faint.push(`${text.trim().slice(0, 40)}: ${ink}`);
}
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement;
  if (node.closest('script, style')) continue;
  const style = getComputedStyle(node);
  look(texts.currentNode.data, node, node.closest('svg') ? style.fill : style.color);
}
for (const box of document.querySelectorAll('input, textarea')) {
  const { color } = getComputedStyle(box, box.value ? null : '::placeholder');
  look(box.value || box.placeholder, box, color);
}
return looked;
"""


def faint(page: Page) -> list[str]:
    looked = page.run(FAINT)
    assert looked["texts"] > 10
    return looked["faint"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_four_and_a_half(page, theme):
    for path, there in (
        ("/", ".card img"),
        ("/models", ".card"),
        ("/status", "table"),
        ("/variants", "#variants-box"),
    ):
        page.driver.get(f"{page.site.url}{path}?theme={theme}")
        page.until("return document.querySelector(arguments[0])", there)
        assert faint(page) == [], path
    page.open(locus=MAPK1, theme=theme, hide="nothing")
    assert page.elements(".note")
    assert faint(page) == []


def test_correlations_have_two_decimals_and_a_minus_sign(page):
    page.open(locus=MAPK1)
    texts = page.run("return [-0.094, -0.001, 0.5, 1, -1, 0.1].map(locuscope.correlationText)")
    assert texts == ["\u2212.09", ".00", ".50", "1.00", "\u22121.00", ".10"]
