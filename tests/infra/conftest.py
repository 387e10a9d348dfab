"""One copy of infra/ and one provider for all tests that only plan with mocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terraform import Workshop, attached, make_workshop, provider_binary


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
