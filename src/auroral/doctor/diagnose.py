"""Puts together what is looked at, looks, and says what came of it. Acts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auroral import __version__
from auroral.doctor import account as judged
from auroral.doctor import look_network, look_quotas, look_tools
from auroral.doctor.checks import OF_AWS, Check, Diagnosis, Group, Sized
from auroral.doctor.look_aws import Asked, Opened, Watched, credentials_of, known_regions, without
from auroral.doctor.look_network import Watch
from auroral.doctor.run import Probe, look_at_all
from auroral.doctor.tools import MIRROR
from auroral.errors import UsageError

if TYPE_CHECKING:
    from auroral.deployment import Deployment
    from auroral.doctor.quotas import Needs
    from auroral.dsql.target import DsqlTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look at, and for whom."""

    groups: tuple[Group, ...]
    region: str | None
    """None: no region is named anywhere."""
    project: str
    deployment: Deployment | None = None
    """None: there is none yet."""
    needs: Needs | None = None
    """What quotas are held against; None: they are not looked at."""


def diagnose(
    wanted: Wanted,
    *,
    environ: Mapping[str, str],
    start: Path,
    now: datetime,
    open_account: Callable[[str], Opened],
) -> Diagnosis:
    """Look at everything that is wanted, at once.

    `open_account` makes an `AwsAccount` for a region and raises `UsageError` where there are no credentials; `start`
    is where infra/ is looked for.
    """
    of_aws = [group for group in OF_AWS if group in wanted.groups]
    known, asked, watched = _account(wanted, of_aws, now, open_account)
    aws_probes = [] if asked is None else asked.probes(wanted.groups)
    if asked is not None and wanted.needs is not None and Group.QUOTAS in wanted.groups:
        contract = wanted.deployment.contract if wanted.deployment is not None else None
        aws_probes += look_quotas.probes(asked, wanted.needs, contract, now)
    watch = Watch()
    probes = [*aws_probes, *_local(wanted, environ, start, watch)]
    found = [*known, *look_at_all(probes)]
    if Group.NETWORK in wanted.groups and wanted.region is None:
        found.append(without(Group.NETWORK, "region"))
    order = list(Group)
    caller = asked.caller if asked is not None else None
    return Diagnosis(
        auroral_version=__version__,
        at=now.isoformat(timespec="seconds"),
        region=wanted.region,
        account_id=caller.account_id if caller is not None else None,
        needs=_sized(wanted.needs),
        aws_reached=watched.answered if watched is not None else watch.any_reached,
        checks=tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.group))),
    )


def _account(
    wanted: Wanted, of_aws: Collection[Group], now: datetime, open_account: Callable[[str], Opened]
) -> tuple[list[Check], Asked | None, Watched | None]:
    """The account to ask, and what is known without asking it."""
    if not of_aws:
        return [], None, None
    if wanted.region is None:
        others = [without(one, "region") for one in of_aws if one is not Group.REGION]
        return [judged.no_region(), *others], None, None
    wrong = judged.unknown_region(wanted.region, known_regions())
    if wrong is not None:
        others = [without(one, "region") for one in of_aws if one is not Group.REGION]
        return [wrong, *others], None, None
    try:
        # In this thread: a profile may ask for an MFA code.
        account = open_account(wanted.region)
    except UsageError as error:
        others = [without(one) for one in of_aws if one is not Group.CREDENTIALS]
        return [judged.no_credentials(error.message, error.hint), *others], None, None
    watched = Watched(account)
    deployment = wanted.deployment
    asked = Asked(
        watched,
        credentials_of(account.session),
        expected_account=deployment.account_id if deployment is not None else None,
        project=wanted.project,
        deployed=deployment is not None,
        now=now,
    )
    return [], asked, watched


def _local(wanted: Wanted, environ: Mapping[str, str], start: Path, watch: Watch) -> list[Probe]:
    found = []
    if Group.TOOLS in wanted.groups:
        found += look_tools.probes(environ, start)
    if Group.NETWORK in wanted.groups and wanted.region is not None:
        found += look_network.probes(wanted.region, environ, watch, registry=not environ.get(MIRROR))
        if wanted.deployment is not None:
            target = _dsql(wanted.deployment, wanted.region, environ)
            found += look_network.of_deployment(target, wanted.deployment.opensearch_endpoint)
    return found


def _dsql(deployment: Deployment, region: str, environ: Mapping[str, str]) -> DsqlTarget | None:
    from auroral.dsql.target import DsqlTarget

    if deployment.dsql_endpoint is None:
        return None
    authorities = environ.get("DSQL_TLS_CA_FILE") or None
    return DsqlTarget(endpoint=deployment.dsql_endpoint, region=region, tls_ca_file=authorities)


def _sized(needs: Needs | None) -> Sized | None:
    return Sized(source=needs.source, vcpus=needs.vcpus) if needs is not None else None
