"""A stateful double of ECS, and of what a deployment asks of AWS around it, behind `auroral.aws_account.Account`.

clock = FakeClock()
aws = FakeAws.from_fleet(fleet, clock=clock)      # as Terraform leaves it: no tasks
aws.behaviour("history", Behaviour(never_healthy=True), revision=2)
aws.program("dev-schema", lambda run: Outcome(lines=[(1, "done")], exit_code=0))
aws.faults.throttle("ecs:DescribeServices", times=3)
clock.interrupt_at(120)                            # Ctrl-C for whoever sleeps then
drive(machine, aws, observer.look, say, sleep=clock.sleep, now_s=clock.now_s, …)
aws.changes("update_service")                      # what was asked for, and when
"""

from tests.support.fake_ecs.behaviour import Behaviour, Outcome, Run
from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.door import FakeAws, Made, outputs
from tests.support.fake_ecs.failures import Refused
from tests.support.fake_ecs.world import World

__all__ = ["Behaviour", "FakeAws", "FakeClock", "Made", "Outcome", "Refused", "Run", "World", "outputs"]
