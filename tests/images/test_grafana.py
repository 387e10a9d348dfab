"""Grafana's image: what is provisioned fits what the platform gives."""

from __future__ import annotations

import re
from typing import Any

import hcl2
import pytest
import yaml

from auroral.dashboards.build import BOARDS
from auroral.dashboards.build import FOLDER as FOLDER_OF_DASHBOARDS

from .conftest import IMAGES, ROOT

FOLDER = IMAGES / "grafana"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PROVISIONING = FOLDER / "provisioning"


@pytest.fixture(scope="module")
def task() -> dict[str, Any]:
    """The module `grafana` of the platform."""
    text = (ROOT / "infra/stacks/platform/grafana.tf").read_text()
    modules = hcl2.loads(text)["module"]
    (found,) = (one for module in modules for name, one in module.items() if name.strip('"') == "grafana")
    assert isinstance(found, dict)
    return found


def plain(names: Any) -> set[str]:
    """Keys without quotation marks."""
    return {str(name).strip('"') for name in names}


def data_sources() -> dict[str, dict[str, Any]]:
    """By name."""
    files = sorted((PROVISIONING / "datasources").glob("*.yaml"))
    documents = [yaml.safe_load(file.read_text()) for file in files]
    assert all(one["apiVersion"] == 1 for one in documents)
    return {source["name"]: source for one in documents for source in one["datasources"]}


def test_every_variable_is_one_that_the_platform_gives(task: dict[str, Any]) -> None:
    text = "".join(file.read_text() for file in PROVISIONING.rglob("*.yaml"))
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    used = set(re.findall(r"\$\{?([A-Z_]+)", text))
    given = plain(task["environment"]) | {"AWS_REGION"}
    module = (ROOT / "infra/modules/service/task_definition.tf").read_text()
    assert "AWS_REGION = var.region" in module
    assert used
    assert used <= given


def test_the_two_data_sources() -> None:
    sources = data_sources()
    assert set(sources) == {"Metrics", "CloudWatch"}
    metrics, cloudwatch = sources["Metrics"], sources["CloudWatch"]
    assert metrics["type"] == "grafana-amazonprometheus-datasource"
    assert metrics["type"] in DOCKERFILE, "the plugin is in the image"
    assert (metrics["isDefault"], metrics["url"]) == (True, "${AURORAL_PROMETHEUS_URL}")
    assert metrics["jsonData"]["sigV4Auth"] is True
    assert (metrics["jsonData"]["sigV4AuthType"], cloudwatch["jsonData"]["authType"]) == ("default", "default")
    assert cloudwatch["type"] == "cloudwatch"
    for source in sources.values():
        assert source["editable"] is False
        assert "secureJsonData" not in source
        assert source["uid"].startswith("auroral-"), "dashboards name it"


def provided() -> str:
    """The folder in the image that Grafana reads dashboards from."""
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/auroral.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    return str(provider["options"]["path"])


def test_dashboards_are_looked_for_where_they_are_copied() -> None:
    assert f"COPY {FOLDER_OF_DASHBOARDS} {provided()}\n" in DOCKERFILE
    assert len(list((ROOT / FOLDER_OF_DASHBOARDS).glob("*.json"))) == len(BOARDS)
    others = [path.name for path in (ROOT / FOLDER_OF_DASHBOARDS).iterdir() if path.suffix != ".json"]
    assert not others, "Grafana complains about what is no dashboard"


def test_the_first_page_is_a_dashboard_of_ours() -> None:
    (home,) = re.findall(r"^ +GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=(\S+)$", DOCKERFILE, re.MULTILINE)
    folder, _, name = home.rpartition("/")
    assert folder == provided()
    assert (ROOT / FOLDER_OF_DASHBOARDS / name).is_file()


def test_dashboards_change_only_by_a_new_image() -> None:
    """What someone saved in the one task would be lost with it."""
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/auroral.yaml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False


def test_it_runs_as_the_platform_says_and_lets_nobody_in(task: dict[str, Any]) -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == [str(task["user"]).strip('"')]
    assert "GF_AUTH_ANONYMOUS_ENABLED=false" in DOCKERFILE
    assert "GF_AUTH_SIGV4_AUTH_ENABLED=true" in DOCKERFILE
    assert "PASSWORD" not in DOCKERFILE
    assert plain(task["secrets"]) == {"GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD"}


def test_its_bases_can_be_pinned_and_only_the_builders_own_machine_runs_something() -> None:
    froms = re.findall(r"^FROM (--platform=\$BUILDPLATFORM )?\$\{(\w+)\}", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in froms] == ["FETCH_IMAGE", "GRAFANA_IMAGE"]
    assert froms[0][0]
    last = DOCKERFILE.split("FROM ${GRAFANA_IMAGE}")[1]
    assert "RUN" not in last, "an image for arm64 is made without emulation"


def test_what_is_copied_reaches_the_build() -> None:
    let_in = [
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for source in re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists()
        assert any(source == one or source.startswith(f"{one}/") for one in let_in)
