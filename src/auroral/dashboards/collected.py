"""What is scraped and where it is written: Prometheus' scrape file, and the collector's configuration around it. Pure.

Labels of a target: extension `ecs_observer` of the OpenTelemetry Collector (contrib 0.155), `target.go` and its README.
The collector is AWS's distribution, whose image has no working directory of its own: its relative paths begin at `/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent
from typing import Final

from auroral.dashboards.metrics import CLUSTER, GENERATOR, REVISION, SERVICE, SERVICES, WORKERS

SCRAPE_FILE = "observability/scrape.yaml"
COLLECTOR_FILE = "observability/collector.yaml"
TERRAFORM_COLLECTOR_FILE = "infra/stacks/platform/collector.yaml"
"""A copy that Terraform puts into SSM: a deployment works in a copy of infra/ alone."""

TARGETS_FILE = "targets/tasks.yaml"
"""Where the scrape file finds its targets, from its own folder on; in the collector, from `/` on."""

SCRAPE_INTERVAL_S: Final = 15
SCRAPE_TIMEOUT_S: Final = 10
DISCOVERY_INTERVAL_S: Final = 30
"""Between two looks at ECS: four calls each, and one more for each hundred tasks."""

METRICS_PORT: Final = 9090
"""Of every task: PROMETHEUS_ENDPOINT and BENCHMARK_METRICS_PORT in infra/."""

MAX_CHARACTERS: Final = 8192
"""Of an advanced parameter: AWS Systems Manager, Parameter Store quotas, read in November 2026."""

META_CLUSTER = "__meta_ecs_cluster_name"
META_CONTAINER = "__meta_ecs_container_name"
META_REVISION = "__meta_ecs_task_definition_revision"
RELABELLED: Mapping[str, str] = {CLUSTER: META_CLUSTER, SERVICE: META_CONTAINER, REVISION: META_REVISION}
"""Our label to the observer's. A container is named as its service, in whatever project, and also in a task that no
service runs; `instance` is what Prometheus makes it, the task's address and port."""

_GENERATED = "# Written by `auroral dashboards build`.\n"


def scrape_text() -> str:
    """Write the scrape file: a whole configuration of Prometheus, and the same for the collector's receiver."""
    relabelled = "".join(
        f"      - source_labels: [{meta}]\n        target_label: {label}\n" for label, meta in RELABELLED.items()
    )
    return f"""\
{_GENERATED}\
# Every task at its own address: a name that answers from one replica or another would make counters jump.
scrape_configs:
  - job_name: tasks
    scrape_interval: {SCRAPE_INTERVAL_S}s
    scrape_timeout: {SCRAPE_TIMEOUT_S}s
    file_sd_configs:
      # As the collector's ecs_observer writes it. From this file's folder on; in the collector, from / on.
      - files: [{TARGETS_FILE}]
        refresh_interval: {SCRAPE_INTERVAL_S}s
    relabel_configs:
      # A container is named as its service, whatever the project.
{relabelled}"""


def collector_text() -> str:
    """Write the collector's configuration, which holds the scrape file with its comments."""
    families = "|".join((*SERVICES, GENERATOR, WORKERS))
    # The collector reads $ as the beginning of a variable.
    scraped = indent(scrape_text().removeprefix(_GENERATED).replace("$", "$$"), " " * 6)
    return f"""\
{_GENERATED}\
# What the collector scrapes and where it writes. Variables are those of its task.
extensions:
  health_check:
    endpoint: 127.0.0.1:13133
  sigv4auth:
    region: ${{env:AWS_REGION}}
    service: aps
  # It ends, and the task with it, at the first call that AWS denies.
  ecs_observer:
    cluster_name: ${{env:AURORAL_CLUSTER}}
    cluster_region: ${{env:AWS_REGION}}
    refresh_interval: {DISCOVERY_INTERVAL_S}s
    result_file: /{TARGETS_FILE}
    # No docker labels: its default looks for one in every container.
    docker_labels: []
    task_definitions:
      # Without job_name: a target's own job would not be the scrape's, by which the receiver knows a metric's type.
      - arn_pattern: .*:task-definition/${{env:AURORAL_PROJECT}}-({families}):[0-9]+
        metrics_ports: [{METRICS_PORT}]
receivers:
  prometheus:
    config:
{scraped}\
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 20
  batch: {{}}
exporters:
  prometheusremotewrite:
    endpoint: ${{env:AURORAL_REMOTE_WRITE_URL}}
    auth:
      authenticator: sigv4auth
    # Names and labels as they were scraped: dashboards and rules ask for no others. The default would put _total and
    # units behind names, the receiver's name and version on every series, and one more series beside each target's.
    translation_strategy: UnderscoreEscapingWithoutSuffixes
    disable_scope_info: true
    target_info:
      enabled: false
    resource_to_telemetry_conversion:
      enabled: false
service:
  extensions: [health_check, sigv4auth, ecs_observer]
  pipelines:
    metrics:
      receivers: [prometheus]
      processors: [memory_limiter, batch]
      exporters: [prometheusremotewrite]
"""


def texts() -> Mapping[str, str]:
    """Every file of the collector, by its path from the root of the checkout."""
    collector = collector_text()
    return {SCRAPE_FILE: scrape_text(), COLLECTOR_FILE: collector, TERRAFORM_COLLECTOR_FILE: collector}
