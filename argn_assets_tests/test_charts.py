"""The loss curve is a small, well-formed drawing whatever the history looks like."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.charts import loss_curve_svg, ticks

SPACE = "{http://www.w3.org/2000/svg}"
values = st.lists(st.none() | st.floats(), max_size=30)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SPACE}text")]


def test_a_run_shows_its_curves_and_marks_the_best_epoch():  # O13
    svg = loss_curve_svg([1, 2, 3], [3.0, 2.0, 1.5], [3.1, 2.2, 2.4], [1e-3, 1e-3, 5e-4])
    assert {"training loss", "validation loss", "learning rate", "best 2.2 at epoch 2"} <= set(texts(svg))
    assert len(list(ET.fromstring(svg).iter(f"{SPACE}circle"))) == 1


def test_a_run_without_an_epoch_says_so():
    assert texts(loss_curve_svg([], [], [], [])) == ["no epoch yet"]
    assert texts(loss_curve_svg([1], [None], [float("nan")], [])) == ["no epoch yet"]


def test_a_very_long_run_stays_below_twenty_kilobytes_and_keeps_its_best_epoch():
    epochs = list(range(50_000))
    losses = [2.0 + (epoch - 31_337) ** 2 / 1e9 for epoch in epochs]
    svg = loss_curve_svg(epochs, losses, losses, [1e-3] * len(epochs))
    assert len(svg.encode()) < 20_000
    assert "best 2 at epoch 3.134e+04" in texts(svg)


@settings(max_examples=60, deadline=None)
@given(values, values, values)
def test_every_history_is_well_formed(training, validation, rates):
    ET.fromstring(loss_curve_svg(list(range(1, 31)), training, validation, rates))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_ascending_and_inside(low, width):
    found = ticks(low, low + width)
    assert found == sorted(set(found)) or width < abs(low) * 1e-9
    assert len(found) <= 12
    assert all(value == pytest.approx(value) for value in found)
