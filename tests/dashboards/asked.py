"""Asks Prometheus' own tool what a query of a dashboard comes to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

STEP_S = 15


def answers(
    folder: Path,
    query: str,
    given: Mapping[str, str],
    expected: Mapping[str, float],
    *,
    at_s: int,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Fail unless the query, over series of a value each 15 seconds, has the expected values by labels.

    `variables` are those of the dashboard; `$__rate_interval` is a minute.
    """
    asked = query.replace("$__rate_interval", "1m")
    for name, value in {"cluster": ".*", "service": ".*", "run_id": ".*", **(variables or {})}.items():
        asked = re.sub(rf"\$\{{?{name}\b\}}?", value.replace("\\", r"\\"), asked)
    test = {
        "evaluation_interval": f"{STEP_S}s",
        "tests": [
            {
                "interval": f"{STEP_S}s",
                "input_series": [{"series": name, "values": values} for name, values in given.items()],
                "promql_expr_test": [
                    {
                        "expr": asked,
                        "eval_time": f"{at_s}s",
                        "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
                    }
                ],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(json.dumps(test), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
