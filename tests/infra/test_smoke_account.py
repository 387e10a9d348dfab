"""Who the credentials are, and which service-linked roles the account lacks, at moto's server."""

from __future__ import annotations

import re

import boto3
import pytest

from auroral.errors import TargetError
from auroral.infra.smoke_account import SERVICES, look_at
from tests.support.terraform import INFRA
from tests.support.threaded_moto import ACCOUNT, REGION, moto_environment


def test_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_environment() as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        session = boto3.Session(region_name=REGION)
        account = look_at(session)
        assert (account.id, account.partition, account.lacks) == (ACCOUNT, "aws", SERVICES)
        session.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
        assert set(SERVICES) - set(look_at(session).lacks) == {"ecs.amazonaws.com"}
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(TargetError, match="cannot be asked who these credentials are"):
            look_at(boto3.Session(region_name=REGION))


def test_the_services_are_those_of_bootstrap() -> None:
    text = (INFRA / "stacks/bootstrap/variables.tf").read_text()
    block = text[text.index('variable "service_linked_roles"') :]
    assert tuple(re.findall('^    "(.*)",$', block[: block.index("validation")], re.MULTILINE)) == SERVICES
