"""One copy of infra/ and one provider for all tests that only plan with mocks; one applied platform for all others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.emulated import Deployed, applied
from tests.support.terraform import Workshop, attached, make_workshop, provider_binary

_DESTROYS = "test_a_last_test_destroys_it_all"
_STAGES = ("test_platform.py", "test_operated.py")
"""Files that share the applied platform: looked at as it was applied, then operated."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of the applied platform into their order, whichever of them are run: its end comes last."""
    here = Path(__file__).parent
    places = [index for index, one in enumerate(items) if one.path.parent == here and one.path.name in _STAGES]
    ordered = sorted((items[index] for index in places), key=_stage)
    for index, one in zip(places, ordered, strict=True):
        items[index] = one


def _stage(item: pytest.Item) -> int:
    return len(_STAGES) if item.name == _DESTROYS else _STAGES.index(item.path.name)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A copy of infra/ to run Terraform in."""
    return make_workshop(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def provider(workshop: Workshop) -> Path:
    """The AWS provider's program."""
    return provider_binary(workshop)


@pytest.fixture(scope="session")
def mocked(workshop: Workshop, provider: Path) -> Iterator[Workshop]:
    """The copy, with a provider that is attached to and never configured: for `terraform test` with mocks."""
    with attached(workshop, provider) as ready:
        yield ready


@pytest.fixture(scope="session")
def deployed(provider: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The platform, applied once; `_STAGES` says who comes when, and the last test destroys it."""
    with applied(tmp_path_factory.mktemp("platform"), provider) as one:
        yield one
