"""What time does to endpoints by itself: alarms turn updates round, scaling policies and schedules scale.

`bring_up_to` is called before anything is answered, and goes through the time since it was last called in the order in
which things happen, however long that was: a jump of a month scales as a month of waiting does. What it decides depends
on the state and on time only, so a replayed journal leads to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sagekeeper.simulator.alarm_evaluation import in_alarm
from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.alarm_watch import keep_up
from sagekeeper.simulator.capacity import short_since
from sagekeeper.simulator.lives import status_of
from sagekeeper.simulator.rollouts import watch
from sagekeeper.simulator.runtime import work_off
from sagekeeper.simulator.scaling_run import alarm_rings, next_schedule, run_schedule
from sagekeeper.simulator.world import Standing, World


def bring_up_to(world: World, now: datetime) -> None:
    """Let everything happen that happens by itself until ``now``."""
    for here in list(world.standing.values()):
        for name in sorted(here.hosting.under_way):
            _watch(here, name, now)
        while here.scaling.actions and (found := next_schedule(here, now)) is not None:
            # What alarms did before a schedule's time comes before it.
            keep_up(world, found[0])
            run_schedule(here, found[1], found[0])
    keep_up(world, now)
    for here in list(world.standing.values()):
        if here.hosting.waiting:
            work_off(here, now)


def scaling_of(world: World) -> Callable[[Alarm, str, datetime], None]:
    """What alarms call for actions of Application Auto Scaling."""

    def act(alarm: Alarm, state: str, at: datetime) -> None:
        _, _, _, region, account, *_ = alarm.arn.split(":")
        alarm_rings(world.at(account, region), alarm, state, at)

    return act


def _watch(here: Standing, name: str, now: datetime) -> None:
    life = here.life(name)
    plan = life.deployed[-1].plan if life else None
    if life is None or plan is None or plan.turned is not None:
        here.hosting.under_way.discard(name)
        return
    kinds = {item.get("InstanceType", "") for item in life.deployed[-1].config["ProductionVariants"]}
    if watch(life, now, lambda alarm, moment: in_alarm(here, alarm, moment), short_since(here, kinds, now)):
        here.version += 1
    if plan.turned is not None or status_of(life, now) == "InService":
        here.hosting.under_way.discard(name)
