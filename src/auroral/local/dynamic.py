"""The dynamic configuration of a local cluster: the image's, with a few values for one machine over it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auroral.errors import UsageError

LOCAL_VALUES: Mapping[str, Any] = {
    # No load balancer looks at the health: a stop need not wait for one.
    "frontend.shutdownFailHealthCheckDuration": "0s",
    "frontend.shutdownDrainDuration": "1s",
    "history.shutdownDrainDuration": "1s",
    "matching.shutdownDrainDuration": "1s",
    # How long DescribeTaskQueue repeats its numbers, 5 s by default: a benchmark reads them each second.
    "matching.TaskQueueInfoByBuildIdTTL": "1s",
}
"""Over the image's values, in every local cluster."""


def merged(shipped: str, *layers: Mapping[str, Any]) -> str:
    """Return the YAML document `shipped` with the values of the layers over it; a later layer wins.

    A value takes the place of all of the key's values, constrained ones included. Raises `UsageError` where
    `shipped` is no dynamic configuration.
    """
    import yaml

    document = yaml.safe_load(shipped) or {}
    if not isinstance(document, dict) or not all(isinstance(values, list) for values in document.values()):
        raise UsageError("expected dynamic configuration: a YAML mapping of keys to lists of values")
    # Temporal's keys are not case-sensitive.
    written = {str(key).lower(): str(key) for key in document}
    for layer in layers:
        for key, value in layer.items():
            document.pop(written.get(key.lower(), key), None)
            written[key.lower()] = key
            document[key] = [{"value": value}]
    text: str = yaml.safe_dump(document, sort_keys=True, allow_unicode=True)
    return text


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read `KEY=VALUE`, the value as YAML reads it: `true`, `10`, `5s`, `[a, b]`. Raises `UsageError`."""
    import yaml

    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(f"expected KEY=VALUE, got {text!r}", hint="such as history.rps=2000")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"expected a YAML value for {key.strip()}, got {value!r}") from error
