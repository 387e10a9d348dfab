"""Series of the last ten minutes, as text for Prometheus' storage."""

from __future__ import annotations

STEP_S = 15
SPAN_S = 600

_SERIES = (
    ("up", {"job": "tasks", "cluster": "c", "service": "history", "instance": "a"}, 1.0),
    ("up", {"job": "tasks", "cluster": "c", "service": "matching", "instance": "b"}, 1.0),
    ("dsql_pool_open", {"job": "tasks", "cluster": "c", "service": "history", "instance": "a"}, 50.0),
    ("dsql_pool_open", {"job": "tasks", "cluster": "c", "service": "history", "instance": "z"}, 49.0),
)


def past(now_s: float) -> str:
    """Gauges that are up to now, and `ended`, which ended nine minutes ago."""
    lines = []
    for name in dict.fromkeys(name for name, _, _ in _SERIES):
        lines.append(f"# TYPE {name} gauge")
        for age_s in range(SPAN_S, -1, -STEP_S):
            for other, labels, value in _SERIES:
                if other == name:
                    told = ",".join(f'{label}="{text}"' for label, text in labels.items())
                    lines.append(f"{name}{{{told}}} {value} {now_s - age_s:.3f}")
    lines.append("# TYPE ended gauge")
    lines += [f'ended{{job="tasks"}} 1 {now_s - age_s:.3f}' for age_s in range(SPAN_S, SPAN_S - 61, -STEP_S)]
    return "\n".join([*lines, "# EOF", ""])
