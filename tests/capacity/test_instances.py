"""Instance types: the list, what is left for tasks, and the quota."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.instances import instance_type, known_instances, parse_instances, schedulable, vcpu_quota
from auroral.errors import UsageError


def test_the_measured_types_are_known_with_their_figures() -> None:
    """The figures of the two types that published runs used: EC2's and ECS's."""
    m7g, m8g = instance_type("m7g.2xlarge"), instance_type("m8g.4xlarge")
    assert (m7g.vcpu, m7g.memory_mib, m7g.network_interfaces, m7g.trunk_interfaces) == (8, 32_768, 4, 40)
    assert (m8g.vcpu, m8g.memory_mib, m8g.network_interfaces, m8g.trunk_interfaces) == (16, 65_536, 8, 60)
    assert m7g.cpu_units == 8 * 1_024


def test_every_type_agrees_with_what_ec2_answers() -> None:
    """moto carries EC2's own DescribeInstanceTypes."""
    packed = files("moto.ec2").joinpath("resources/instance_types.json.gz").read_bytes()
    answers = json.loads(gzip.decompress(packed))
    for name, known in known_instances().items():
        told = answers[name]
        assert known.vcpu == told["VCpuInfo"]["DefaultVCpus"]
        assert known.memory_mib == told["MemoryInfo"]["SizeInMiB"]
        assert known.network_interfaces == told["NetworkInfo"]["MaximumNetworkInterfaces"]


def test_families_go_from_medium_to_16xlarge() -> None:
    for family in ("m7g", "m8g"):
        sizes = [name.partition(".")[2] for name in known_instances() if name.startswith(f"{family}.")]
        assert sizes == ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]


def test_a_larger_size_of_a_family_offers_no_less() -> None:
    for smaller, larger in pairwise(known_instances().values()):
        if smaller.name.partition(".")[0] == larger.name.partition(".")[0]:
            assert smaller.vcpu < larger.vcpu
            assert smaller.schedulable_mib() < larger.schedulable_mib()
            for trunking in (False, True):
                assert smaller.task_interfaces(trunking=trunking) <= larger.task_interfaces(trunking=trunking)


@pytest.mark.parametrize(
    ("trunking", "tasks"),
    [
        pytest.param(False, 3, id="four interfaces, one of them the instance's own"),
        pytest.param(True, 40, id="what ECS's list says"),
    ],
)
def test_task_interfaces(trunking: bool, tasks: int) -> None:
    assert instance_type("m7g.2xlarge").task_interfaces(trunking=trunking) == tasks


def test_schedulable_memory_is_less_than_the_documented_example() -> None:
    """ECS's guide: 7,985 MiB of an 8 GiB instance; the default leaves the agent its part as well."""
    assert schedulable(8_192) <= 7_985 - 256
    assert schedulable(8_192, reserved_mib=0, kernel_share=0) == 8_192


@given(memory_mib=st.integers(0, 10**6), reserved_mib=st.integers(0, 10**6))
def test_schedulable_never_exceeds_what_there_is(memory_mib: int, reserved_mib: int) -> None:
    assert 0 <= schedulable(memory_mib, reserved_mib=reserved_mib) <= memory_mib


def test_three_history_tasks_of_8_gib_fit_the_memory_of_a_2xlarge_four_do_not() -> None:
    left = instance_type("m7g.2xlarge").schedulable_mib()
    assert 3 * 8_192 <= left < 4 * 8_192


def test_an_unknown_type_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match=r"got 'm7g\.3xlarge'") as caught:
        instance_type("m7g.3xlarge")
    assert "m7g.2xlarge" in caught.value.hint


def test_something_quite_different_is_refused_with_what_is_measured() -> None:
    with pytest.raises(UsageError) as caught:
        instance_type("")
    assert "m7g.2xlarge" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"a.b" = { vcpu = 1 }', id="a figure is missing"),
        pytest.param(
            '"a.b" = { vcpu = 1, memory-mib = 1, network-interfaces = 1, trunk-interfaces = 1, colour = 1 }',
            id="a figure too many",
        ),
    ],
)
def test_a_list_with_a_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"missing|unknown"):
        parse_instances(text)


def test_quota_of_the_public_run() -> None:
    """23 m8g.4xlarge needed 368 of a quota of 384 vCPUs."""
    m8g = instance_type("m8g.4xlarge")
    assert vcpu_quota({m8g: 23}) == 368
    assert vcpu_quota({m8g: 2, instance_type("m7g.2xlarge"): 3}) == 2 * 16 + 3 * 8
    assert vcpu_quota({}) == 0
