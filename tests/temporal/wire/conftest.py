"""Warnings fail the tests of the transport: nothing that others left may be taken for theirs."""

from __future__ import annotations

import gc
import warnings

import pytest


@pytest.fixture(scope="module", autouse=True)
def _what_others_left() -> None:
    """Collect it, and what it says of itself, before the first test of a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
