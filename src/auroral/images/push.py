"""Build images, and bring them into ECR: each one built or copied, looked up again there, and named by digest. Acts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from auroral.errors import AuroralError, InterruptedRunError, TargetError, UsageError
from auroral.images import lines
from auroral.images.docker import Docker
from auroral.images.ecr import Ecr
from auroral.images.manifest import of_inspection, pushed_digest
from auroral.images.names import BUILT, by_digest
from auroral.images.plan import Planned, built, copied, source_digest, verified
from auroral.images.recipe import Mirrored, Recipe
from auroral.images.tools import Want

Say = Callable[[str], None]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is built and pushed, and how."""

    tag: str
    """Of what is built."""
    platforms: tuple[str, ...]
    recipes: Mapping[str, Recipe]
    mirrored: Mapping[str, Mirrored]
    arguments: Mapping[str, str]
    revision: str | None = None
    builder: str | None = None


def build_of(settings: Settings, name: str, reference: str, keep: lines.Keep) -> lines.Build:
    """One image's build."""
    return lines.Build(
        recipe=settings.recipes[name],
        reference=reference,
        version=settings.tag,
        platforms=settings.platforms,
        arguments=settings.arguments,
        keep=keep,
        builder=settings.builder,
        revision=settings.revision,
    )


def build(settings: Settings, builds: Sequence[lines.Build], docker: Docker, say: Say) -> None:
    """Build them one after the other. Raises `TargetError`, and `InterruptedRunError` that tells what is built."""
    done: list[str] = []
    for one in builds:
        name = one.recipe.name
        say(f"{name}: building for {', '.join(settings.platforms)}")
        try:
            docker.run(lines.build(one, metadata_file=None), f"the build of {name}")
        except InterruptedRunError as error:
            raise _interrupted(error, done, "built") from error
        done.append(one.reference)


class Push:
    """A push of some images: planned first, then carried out; what was done survives an interrupt."""

    def __init__(self, settings: Settings, ecr: Ecr, say: Say) -> None:
        self._settings = settings
        self._ecr = ecr
        self._say = say
        self.done: dict[str, str] = {}
        """References by digest, by name."""

    def plan(self, names: Sequence[str]) -> list[Planned]:
        """What is to be done for each. Raises what `plan` and ECR raise."""
        uris = self._ecr.uris(names)
        found = []
        for name in names:
            if name in BUILT:
                there = self._ecr.find(name, self._settings.tag)
                one = built(name, uris[name], self._settings.tag, there, self._settings.platforms)
            else:
                image = self._settings.mirrored[name]
                one = copied(image, uris[name], self._ecr.find(name, image.version), self._settings.platforms)
            found.append(one)
        return found

    def carry_out(self, planned: Sequence[Planned], docker: Docker | None) -> dict[str, str]:
        """Do it, one image after the other. `docker` is None where nothing has to be pushed.

        Raises `TargetError`, and `InterruptedRunError`; both say what is in ECR by then.
        """
        for one in planned:
            self._say(one.sentence())
        try:
            for registry in dict.fromkeys(one.uri.partition("/")[0] for one in planned if one.action != "take"):
                self._login(registry, docker)
            for one in planned:
                self.done[one.name] = self._one(one, docker)
        except (InterruptedRunError, KeyboardInterrupt) as error:
            raise _interrupted(error, list(self.done.values()), "in ECR") from error
        except AuroralError:
            for reference in self.done.values():
                self._say(f"in ECR: {reference}")
            raise
        return dict(self.done)

    def _login(self, registry: str, docker: Docker | None) -> None:
        assert docker is not None
        docker.tell(lines.login(registry), f"logging in to {registry}", self._ecr.password())

    def _one(self, one: Planned, docker: Docker | None) -> str:
        if one.action == "take":
            assert one.digest is not None
            return by_digest(one.uri, one.digest)
        assert docker is not None
        told = self._built(one, docker) if one.action == "build" else self._copied(one, docker)
        reference = verified(one, told, self._ecr.find(one.name, one.tag))
        self._say(f"{one.name}: {reference}")
        return reference

    def _built(self, one: Planned, docker: Docker) -> str:
        with tempfile.TemporaryDirectory(prefix="auroral-images-") as folder:
            file = Path(folder) / "metadata.json"
            line = lines.build(build_of(self._settings, one.name, one.target, "push"), metadata_file=str(file))
            try:
                docker.run(line, f"the build of {one.name}")
            except TargetError as error:
                raise self._why(one, error) from error
            try:
                text = file.read_text(encoding="utf-8")
            except OSError:
                text = "{}"
        return pushed_digest(text, one.name)

    def _copied(self, one: Planned, docker: Docker) -> str:
        image = one.mirrored
        assert image is not None
        text = docker.answer(
            lines.inspect(image.reference, self._settings.builder),
            f"looking up {image.reference}",
            hint="images/mirrored.toml names it; can its registry be reached from here?",
        )
        digest = source_digest(image, of_inspection(text, image.reference), self._settings.platforms)
        line = lines.copy(by_digest(image.source, digest), one.target, self._settings.builder)
        try:
            docker.run(line, f"the copy of {image.reference}")
        except TargetError as error:
            raise self._why(one, error) from error
        return digest

    def _why(self, one: Planned, error: TargetError) -> TargetError:
        """An immutable tag that came up meanwhile is no riddle."""
        if self._ecr.find(one.name, one.tag) is None:
            return error
        return TargetError(
            f"{error.message}; {one.target} is in ECR now, from another push at the same time, and cannot be replaced",
            hint="the same command takes what is there",
        )


def dry_lines(planned: Sequence[Planned], settings: Settings, region: str, profile: str | None) -> list[str]:
    """What `carry_out` would run, as a shell takes it."""
    todo = [one for one in planned if one.action != "take"]
    found = [
        lines.login_shell(registry, region, profile)
        for registry in dict.fromkeys(one.uri.partition("/")[0] for one in todo)
    ]
    for one in todo:
        if one.mirrored is None:
            found.append(lines.shell(lines.build(build_of(settings, one.name, one.target, "push"), metadata_file=None)))
        else:
            source = one.mirrored
            found.append(lines.shell(lines.inspect(source.reference, settings.builder)))
            digest = one.digest or "DIGEST-OF-THE-LINE-ABOVE"
            found.append(lines.shell(lines.copy(by_digest(source.source, digest), one.target, settings.builder)))
    return found


def wanting(wants: Sequence[Want]) -> UsageError:
    """The error of tools that are wanting: the first, and the remedies of all."""
    return UsageError("; ".join(one.what for one in wants), hint="; ".join(one.remedy for one in wants))


def complete(names: Sequence[str], pushed: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """All images' references: those that were pushed, and those that the file has already."""
    return {name: pushed.get(name, before.get(name, "")) for name in names}


def _interrupted(error: BaseException, done: Sequence[str], where: str) -> InterruptedRunError:
    words = error.message if isinstance(error, AuroralError) else "interrupted"
    listed = "\n".join(f"  {one}" for one in done)
    told = f"{words}; {where} by then:\n{listed}" if done else f"{words}; nothing was {where} by then"
    return InterruptedRunError(told, hint="the same command goes on from there")
