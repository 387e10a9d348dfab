"""checkov over infra/: clean, and what is skipped is skipped in the code with a reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.terraform import INFRA
from tests.tools import checkov

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]

_LEAST_PASSED = 400
_LEAST_RESOURCES = 200
_SKIP = re.compile(r"checkov:skip=?([A-Z0-9_]*)(?::(.*))?")
_BAD = """
resource "aws_s3_bucket" "open" {
  bucket = "open"
}
resource "aws_s3_bucket_public_access_block" "open" {
  bucket                  = aws_s3_bucket.open.id
  block_public_acls       = false
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One start for the sources and for a stack with faults, since the start alone takes seconds."""
    copy = tmp_path_factory.mktemp("checkov") / "infra"
    for source in sorted(path for path in INFRA.rglob("*") if path.suffix in (".tf", ".yaml", ".tftpl", ".json")):
        if not source.is_relative_to(INFRA / "tests"):
            target = copy / source.relative_to(INFRA)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    (copy / "faulty").mkdir()
    (copy / "faulty/main.tf").write_text(_BAD)
    return checkov.check(copy)


def _told(check: dict[str, Any]) -> str:
    first, last = check["file_line_range"]
    return f"{check['check_id']} infra{check['file_path']}:{first}-{last} {check['resource']}: {check['check_name']}"


def test_clean(report: dict[str, Any]) -> None:
    failed = [one for one in report["results"]["failed_checks"] if not one["file_path"].startswith("/faulty/")]
    assert [_told(one) for one in failed] == []


def test_every_folder_was_read(report: dict[str, Any]) -> None:
    assert report["results"]["parsing_errors"] == []
    read = {one["file_path"] for kind in ("passed_checks", "skipped_checks") for one in report["results"][kind]}
    roots = {f"/{kind}/{path.name}/" for kind in ("modules", "stacks") for path in (INFRA / kind).iterdir()}
    assert {root for root in roots if not any(path.startswith(root) for path in read)} <= {"/stacks/platform/"}
    through = {
        one["resource"].split(".")[1] for one in report["results"]["passed_checks"] if "module." in one["resource"]
    }
    assert through >= {"network", "dsql", "cluster", "visibility", "ui"}, (
        "the platform's modules, with the values it gives them"
    )


def test_it_did_not_pass_by_checking_nothing(report: dict[str, Any]) -> None:
    assert report["summary"]["passed"] >= _LEAST_PASSED
    assert report["summary"]["resource_count"] >= _LEAST_RESOURCES
    found = {one["check_id"] for one in report["results"]["failed_checks"] if one["file_path"] == "/faulty/main.tf"}
    assert "CKV_AWS_53" in found, "a bucket that may be made public"


def test_every_skip_has_a_reason() -> None:
    assert skips_without_reason("#checkov:skip=CKV_AWS_18") == ["CKV_AWS_18"]
    assert skips_without_reason("# checkov:skip=CKV_AWS_18: no") == ["CKV_AWS_18"]
    assert skips_without_reason("#checkov:skip") == ["?"]
    assert skips_without_reason("#checkov:skip=CKV_AWS_18:who reads the state is in CloudTrail") == []
    files = sorted(INFRA.rglob("*.tf"))
    assert {
        str(path.relative_to(INFRA)): found for path in files if (found := skips_without_reason(path.read_text()))
    } == {}
    assert sum(path.read_text().count("checkov:skip=") for path in files) > 0


def test_nothing_is_skipped_but_in_the_code(report: dict[str, Any]) -> None:
    for name in (".checkov.yaml", ".checkov.yml"):
        text = (INFRA / name).read_text() if (INFRA / name).exists() else ""
        assert "skip-check" not in text
        assert "baseline" not in text
    in_code = {found[1] for path in INFRA.rglob("*.tf") for found in _SKIP.finditer(path.read_text())}
    skipped = {one["check_id"] for one in report["results"]["skipped_checks"]}
    assert skipped - in_code == set()
    assert in_code - skipped == set(), "a skip of a check that does not apply any more: remove it"


def skips_without_reason(text: str) -> list[str]:
    """Checks that a text skips with fewer than three words to say why."""
    return [found[1] or "?" for found in _SKIP.finditer(text) if len((found[2] or "").split()) < 3]
