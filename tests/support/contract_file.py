"""Writes what the tests of the contract compare: its schema, and the contract of the stack as applied with mocks.

python -m tests.support.contract_file
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from auroral.infra import contract
from tests.support.terraform import INFRA, attached, make_workshop

CONTRACT = INFRA / "tests/platform/contract.json"
SCHEMA = Path(contract.__file__).with_name("contract.schema.json")


def applied_contract() -> object:
    """Apply the stack with mocks, and give its output."""
    with tempfile.TemporaryDirectory() as folder, attached(make_workshop(Path(folder))) as workshop:
        root = workshop.root("stacks/platform")
        workshop.terraform(root, "init", "-backend=false")
        ended = workshop.terraform(root, "test", "-json", "-verbose", "-filter=tests/stack.tftest.hcl", check=False)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    states = [event["test_state"] for event in events if event["type"] == "test_state"]
    if not states:
        raise AssertionError(f"nothing was applied:\n{ended.stdout[-4000:]}\n{ended.stderr}")
    value: object = states[0]["outputs"]["contract"]["value"]
    return value


def main() -> None:
    """Write both."""
    SCHEMA.write_text(contract.schema(), encoding="utf-8")
    CONTRACT.write_text(json.dumps(applied_contract(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{SCHEMA.name}, {CONTRACT.name}")


if __name__ == "__main__":
    main()
