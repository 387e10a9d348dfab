"""Each profile, planned with the real provider and without any AWS, keeps the properties.

`dev` is planned, applied and looked at in test_platform.py, so the fast one is the largest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.infra.model import parse
from tests.infra.emulated import variables
from tests.support.deployment_document import findings_of
from tests.support.terraform import INFRA, Workshop

PROFILES = sorted(path.stem for path in (INFRA / "profiles").glob("*.tfvars"))
OFFLINE = """
provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  allowed_account_ids         = null
}

terraform {
  backend "local" {}
}
"""
LARGEST = "400wps"
KNOWN = {1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 17, 19, 22, 24, 25, 27, 28, 29, 30, 31, 32}
"""What a plan decides; the others need the ARNs and names that an apply brings: test_platform.py."""


@pytest.fixture(scope="module")
def offline(mocked: Workshop) -> Path:
    root = mocked.root("stacks/platform")
    (root / "offline_override.tf").write_text(OFFLINE)
    mocked.terraform(root, "init")
    return root


@pytest.mark.whole
@pytest.mark.parametrize(
    "profile",
    [pytest.param(name, marks=() if name == LARGEST else pytest.mark.slow) for name in PROFILES],
)
@pytest.mark.timeout(600)
def test_every_profile_keeps_the_properties(profile: str, mocked: Workshop, offline: Path, tmp_path: Path) -> None:
    (tmp_path / "own.tfvars").write_text(variables())
    files = (f"-var-file=../../profiles/{profile}.tfvars", f"-var-file={tmp_path / 'own.tfvars'}")
    mocked.terraform(offline, "plan", f"-out={tmp_path / 'plan'}", *files)
    platform = parse(mocked.terraform(offline, "show", "-json", str(tmp_path / "plan")).stdout)
    assert findings_of(platform, "broken") == {}
    assert set(findings_of(platform, "kept")) - set(findings_of(platform, "unknown")) == KNOWN


def test_there_are_four() -> None:
    assert PROFILES == ["100wps", "150wps", "400wps", "dev"]
