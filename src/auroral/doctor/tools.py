"""The programs that a person needs: what they print, and whether it will do. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from auroral.doctor.checks import Check, Group, State

if TYPE_CHECKING:
    from auroral.images.tools import Tools, Want

LEAST_PLUGIN = (1, 2, 764, 0)
"""Of the Session Manager plugin: the earliest that AWS supports, by its release history as of November 2026."""
MIRROR = "AURORAL_TERRAFORM_MIRROR"
PROVIDER = "registry.terraform.io/hashicorp/aws"
BUILD_FOR = "linux/arm64"
"""The platform of the default instances."""
_PLUGIN = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)
_TERRAFORM = "https://developer.hashicorp.com/terraform/install"
_BOOT = "docker buildx inspect --bootstrap"
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_CONSTRAINT = re.compile(r"\s*(>=|<=|!=|~>|>|<|=)?\s*(\d+(?:\.\d+)*)\s*")
_PINNED = re.compile(r'\baws\s*=\s*\{[^}]*\bversion\s*=\s*"([^"]+)"')

Version = tuple[int, ...]


class TerraformVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What `terraform version -json` says."""

    text: str
    version: Version
    platform: str
    """`linux_arm64`, …"""


class Provided(msgspec.Struct, frozen=True, kw_only=True):
    """Where Terraform's AWS provider comes from."""

    constraint: str | None
    """As the platform stack pins it; None: there is no infra/ here."""
    mirror: str | None
    """The folder that `AURORAL_TERRAFORM_MIRROR` names; None: the registry."""
    versions: tuple[str, ...] | None = None
    """In the mirror, for this platform; None: the mirror has no such provider, or is not there."""


def version_of(text: str) -> Version | None:
    """The first version in a program's output."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def terraform_version(text: str) -> TerraformVersion | None:
    """Read `terraform version -json`; None where it is something else."""
    try:
        document = json.loads(text)
        told = str(document["terraform_version"])
    except (ValueError, KeyError, TypeError):
        return None
    version = version_of(told.partition("-")[0])
    if version is None:
        return None
    return TerraformVersion(text=told, version=version, platform=str(document.get("platform", "")))


def pinned(text: str) -> str | None:
    """The constraint on the AWS provider in a stack's versions.tf."""
    found = _PINNED.search(text)
    return found[1] if found else None


def satisfies(version: str, constraint: str) -> bool:
    """Whether a provider's version keeps Terraform's constraint, such as `>= 5.100.0, < 6.0.0`.

    Raises `ValueError` for a constraint of another form.
    """
    found = version_of(version)
    return found is not None and all(_keeps(found, one) for one in constraint.split(","))


def _keeps(version: Version, constraint: str) -> bool:
    found = _CONSTRAINT.fullmatch(constraint)
    if found is None:
        raise ValueError(f"expected a constraint such as >= 5.100.0, got {constraint!r}")
    sign, wanted = found[1] or "=", tuple(int(part) for part in found[2].split("."))
    width = max(len(version), len(wanted))
    left, right = (one + (0,) * (width - len(one)) for one in (version, wanted))
    if sign == "~>":
        return left >= right and version[: len(wanted) - 1] == wanted[:-1]
    signs = {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}
    signs |= {"=": left == right, "!=": left != right}
    return signs[sign]


def plugin(output: str | None) -> Check:
    """The Session Manager plugin; None: it is not on PATH."""
    name, remedy = "session-manager-plugin", f"install it: {_PLUGIN}"
    if output is None:
        return _check(name, State.MISSING, "not on PATH: no cluster exec, forward or verify without it", remedy)
    version = version_of(output)
    if version is None:
        return _check(name, State.WARN, f"it prints no version: {_brief(output)}", remedy)
    told, least = _dotted(version), _dotted(LEAST_PLUGIN)
    if version < LEAST_PLUGIN:
        return _check(name, State.WARN, f"{told}; AWS supports {least} and later", remedy)
    return _check(name, State.OK, told)


def docker(tools: Tools, wants: Collection[Want]) -> Check:
    """Docker with buildx and a builder for arm64; `wants` is what stands in the way."""
    name = f"docker buildx for {BUILD_FOR}"
    builder = tools.builder
    if builder is not None and builder.error is None and not builder.platforms:
        found = f"buildx {tools.buildx}; the builder {builder.name} is not started, so what it builds for is not known"
        return _check(name, State.WARN, found, _BOOT)
    if wants:
        first = next(iter(wants))
        return _check(name, State.MISSING, first.what, first.remedy)
    assert builder is not None
    return _check(name, State.OK, f"buildx {tools.buildx}, builder {builder.name} ({builder.driver})")


def terraform(output: str | None, least_version: Version) -> Check:
    """Terraform; None: it is not on PATH."""
    least, remedy = _dotted(least_version), f"install it: {_TERRAFORM}"
    if output is None:
        return _check("terraform", State.MISSING, f"not on PATH; {least} or later is needed", remedy)
    found = terraform_version(output)
    if found is None:
        return _check("terraform", State.MISSING, f"it prints no version: {_brief(output)}", remedy)
    if found.version < least_version:
        return _check("terraform", State.MISSING, f"{found.text}; {least} or later is needed", remedy)
    return _check("terraform", State.OK, found.text)


def provider(provided: Provided, platform: str) -> Check:
    """Terraform's AWS provider."""
    name = "terraform's AWS provider"
    if provided.constraint is None:
        return _check(
            name, State.UNKNOWN, "there is no infra/ here that would pin it", "run it in a checkout of auroral"
        )
    wanted = f"{provided.constraint} is pinned"
    if provided.mirror is None:
        return _check(name, State.OK, f"{wanted}; it comes from registry.terraform.io, or from where Terraform is told")
    where = f"{MIRROR}={provided.mirror}"
    if provided.versions is None:
        remedy = f"terraform -chdir=infra/stacks/platform providers mirror {provided.mirror}"
        return _check(name, State.MISSING, f"{wanted}; {where} holds no {PROVIDER}", remedy)
    kept = [one for one in provided.versions if satisfies(one, provided.constraint)]
    if not kept:
        there = ", ".join(provided.versions) or "none"
        remedy = f"terraform -chdir=infra/stacks/platform providers mirror -platform={platform} {provided.mirror}"
        return _check(name, State.MISSING, f"{wanted}; {where} has for {platform}: {there}", remedy)
    return _check(name, State.OK, f"{max(kept, key=lambda one: version_of(one) or ())} in {where}; {wanted}")


def aws_cli(output: str | None) -> Check:
    """The AWS CLI: auroral itself does without it."""
    if output is None:
        return _check("aws cli", State.OK, "not on PATH; only the lines that remedies print need it")
    version = version_of(output)
    return _check("aws cli", State.OK, _dotted(version) if version else _brief(output))


def silent(name: str, timeout_s: float) -> Check:
    """A program that does not end."""
    return _check(name, State.UNKNOWN, f"it does not answer within {timeout_s:g} s", "run it by hand")


def _check(name: str, state: State, found: str, remedy: str = "") -> Check:
    return Check(group=Group.TOOLS, name=name, state=state, found=found, remedy=remedy)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= 60 else f"{line[:57]}…") or "nothing"
