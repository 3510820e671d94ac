"""Checks docker-compose.yml and docker/ as far as that goes without Docker.

`python tests/compose_check.py --panko PATH --temporal PATH`
"""

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

COMPOSE = "docker-compose.yml"
# What the sandbox has to run, or it is not one.
EXPECTED = [("panko", "serve"), ("panko", "envoy"), ("temporal", "server", "start-dev")]


@dataclass(frozen=True)
class Listener:
    """Where something listens, inside its container."""

    host: str
    port: int


@dataclass(frozen=True)
class Copy:
    """One COPY of a Dockerfile."""

    stage: str | None  # None: from the repository
    sources: list[str]
    target: str


@dataclass
class Stage:
    """One stage of a Dockerfile."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [text for found, text in self.instructions if found == keyword]

    def words(self, keyword: str) -> list[str]:
        """The last instruction of this kind, in its JSON form."""
        texts = self.all(keyword)
        return yaml.safe_load(texts[-1]) if texts else []

    def copies(self) -> Iterator[Copy]:
        for text in self.all("COPY"):
            paths = [word for word in text.split() if not word.startswith("--")]
            yield Copy(option(text.split(), "--from"), paths[:-1], paths[-1])


@dataclass(frozen=True)
class Service:
    """A service, and the stage that it is built from, if it is."""

    name: str
    spec: dict
    stage: Stage | None

    @property
    def command(self) -> list[str]:
        """What runs in it, the program first."""
        own = self.spec.get("command")
        if self.stage is None:
            return ["temporal", *(own or [])]
        return self.stage.words("ENTRYPOINT") + (own or self.stage.words("CMD"))

    @property
    def probe(self) -> list[str]:
        """What its health check runs, without the leading CMD."""
        return self.spec.get("healthcheck", {}).get("test", [])[1:]


class Sandbox:
    """docker-compose.yml, the Dockerfiles that it names, and what those put together."""

    def __init__(self, repository: Path, tools: dict[str, Path]) -> None:
        self.repository = repository
        self.tools = tools
        specs = yaml.safe_load((repository / COMPOSE).read_text())["services"]
        files = {spec["build"]["dockerfile"] for spec in specs.values() if "build" in spec}
        self.dockerfiles = {path: read_stages(repository / path) for path in files}
        self.services = {
            name: Service(name, spec, self.stage(spec)) for name, spec in specs.items()
        }

    def stage(self, spec: dict) -> Stage | None:
        build = spec.get("build")
        return self.dockerfiles[build["dockerfile"]][build["target"]] if build else None

    def stages(self) -> list[Stage]:
        return [stage for stages in self.dockerfiles.values() for stage in stages.values()]

    def calls(self) -> Iterator[list[str]]:
        """Every call of `panko` and `temporal`, the program's bare name first."""
        lines = [text for stage in self.stages() for text in stage.all("RUN")]
        calls = [shlex.split(part) for line in lines for part in re.split(r"&&|;|>", line)]
        for service in self.services.values():
            calls += [service.command, service.probe]
        for words in filter(None, calls):
            if Path(words[0]).name in self.tools:
                yield [Path(words[0]).name, *words[1:]]

    def calls_of(self, *verbs: str) -> list[list[str]]:
        return [words for words in self.calls() if tuple(words[: len(verbs)]) == verbs]

    def panko_yaml(self, service: Service) -> dict:
        """The panko.yaml in the image, at the path that `panko serve` is given."""
        wanted = option(service.command, "--config")
        for copy in service.stage.copies():
            if copy.target == wanted:
                return yaml.safe_load((self.repository / copy.sources[0]).read_text())
        raise SystemExit(f"{service.name}: nothing copies a file to {wanted}, its --config")

    def listeners(self, service: Service) -> Iterator[Listener]:
        """What listens in a service's container."""
        words = service.command
        if service.stage and service.stage.base.startswith("envoyproxy/envoy:"):
            for call in self.calls_of("panko", "envoy"):
                yield listener(option(call, "--listen"))
                yield listener(option(call, "--admin"))
        elif words[0] == "panko":
            yield from map(listener, self.panko_yaml(service)["listen"].values())
        elif words[0] == "temporal":
            host = option(words, "--ip") or "localhost"
            port = int(option(words, "--port") or 7233)
            ui_port = int(option(words, "--ui-port") or port + 1000)
            yield Listener(host, port)
            yield Listener(option(words, "--ui-ip") or host, ui_port)

    def is_served(self, address: str) -> bool:
        """Whether a service of this name listens on this port for others."""
        name, _, port = address.rpartition(":")
        service = self.services.get(name)
        return bool(service) and Listener("0.0.0.0", int(port)) in self.listeners(service)


# === checks: each yields what is wrong ===


def compose_follows_its_specification(sandbox: Sandbox) -> Iterator[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = run([*command, str(sandbox.repository / COMPOSE)])
    if done.returncode != 0:
        yield done.stdout + done.stderr


def paths_are_in_the_repository(sandbox: Sandbox) -> Iterator[str]:
    copies = [copy for stage in sandbox.stages() for copy in stage.copies() if not copy.stage]
    volumes = [v for service in sandbox.services.values() for v in service.spec.get("volumes", [])]
    paths = [source for copy in copies for source in copy.sources]
    paths += [volume.split(":")[0] for volume in volumes if volume.startswith((".", "/"))]
    yield from (
        f"{path} does not exist" for path in paths if not (sandbox.repository / path).exists()
    )


def the_build_has_its_sources(sandbox: Sandbox) -> Iterator[str]:
    repository = sandbox.repository
    copied = {
        repository / source
        for stage in sandbox.stages()
        for copy in stage.copies()
        for source in copy.sources
    }
    manifest = tomllib.loads((repository / "Cargo.toml").read_text())
    needed = [repository / member / "Cargo.toml" for member in manifest["workspace"]["members"]]
    code_files = (file for folder in copied for file in folder.rglob("*.rs"))
    for code in (file for file in code_files if "tests" not in file.relative_to(repository).parts):
        included = re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', code.read_text())
        needed += [(code.parent / path).resolve() for path in included]
    for path in needed:
        if not copied & {path, *path.parents}:
            yield f"no COPY of {path.relative_to(repository)}"


def images_have_what_is_used(sandbox: Sandbox) -> Iterator[str]:
    for path, stages in sandbox.dockerfiles.items():
        for copy in (copy for stage in stages.values() for copy in stage.copies()):
            if copy.stage and copy.stage not in stages:
                yield f"{path}: COPY --from={copy.stage}, which is no stage"
    copied = [copy for stage in sandbox.stages() for copy in stage.copies()]
    for call in sandbox.calls_of("panko", "envoy"):
        for name in ("--config", "--filter"):
            if option(call, name) not in [copy.target for copy in copied]:
                yield f"panko envoy {name} {option(call, name)}: nothing copies it there"
    for service in sandbox.services.values():
        if service.stage and service.probe:
            programs = [Path(copy.target).name for copy in service.stage.copies()]
            if service.probe[0] not in programs:
                yield f"{service.name}: its image lacks its healthcheck, {service.probe[0]}"


def images_are_of_the_pinned_versions(sandbox: Sandbox) -> Iterator[str]:
    tools = (sandbox.repository / "scripts/tools").read_text()
    manifest = tomllib.loads((sandbox.repository / "Cargo.toml").read_text())
    pins = dict(re.findall(r"^(\w+)_version=(\S+)", tools, re.M))
    pinned = {
        "temporalio/temporal": pins["cli"],
        "envoyproxy/envoy": f"v{pins['envoy']}",
        "rust": f"{manifest['workspace']['package']['rust-version']}-bookworm",
    }
    images = [service.spec["image"] for service in sandbox.services.values() if not service.stage]
    for image in [*images, *(stage.base for stage in sandbox.stages())]:
        name, _, tag = image.partition(":")
        if pinned.get(name, tag) != tag:
            yield f"{image}: the rest of the repository uses {pinned[name]}"


def services_wait_for_what_can_be_healthy(sandbox: Sandbox) -> Iterator[str]:
    for service in sandbox.services.values():
        for other in [service.name, *service.spec.get("depends_on", {})]:
            if other not in sandbox.services:
                yield f"{service.name} waits for {other}, which is no service"
            elif not sandbox.services[other].probe:
                yield f"{other} has no healthcheck"


def published_ports_have_listeners(sandbox: Sandbox) -> Iterator[str]:
    published = set()
    for service in sandbox.services.values():
        for entry in service.spec.get("ports", []):
            host, outside, inside = ["", "", *entry.split(":")][-3:]
            if host != "127.0.0.1":
                yield f"{service.name}: {entry} is not on loopback; write 127.0.0.1:PORT:PORT"
            if outside in published:
                yield f"{service.name}: {outside} is published twice"
            if not sandbox.is_served(f"{service.name}:{inside}"):
                yield f"{service.name}: {entry}, but nothing in it listens on 0.0.0.0:{inside}"
            published.add(outside)


def addresses_have_listeners(sandbox: Sandbox) -> Iterator[str]:
    addresses = [option(call, "--control-server") for call in sandbox.calls_of("panko", "envoy")]
    for service in sandbox.services.values():
        if service.command[:2] == ["panko", "serve"]:
            addresses += [c["address"] for c in sandbox.panko_yaml(service)["clusters"]]
    for address in addresses:
        if not address or not sandbox.is_served(address):
            yield f"no service listens on {address}"


def healthchecks_ask_listeners(sandbox: Sandbox) -> Iterator[str]:
    for service in sandbox.services.values():
        asked = re.findall(r"\b\d{4,5}\b", " ".join(service.probe))
        there = {listener.port for listener in sandbox.listeners(service)}
        if not any(int(port) in there for port in asked):
            yield f"{service.name}: nothing listens on what its healthcheck asks: {service.probe}"


def arguments_are_in_the_help(sandbox: Sandbox) -> Iterator[str]:
    for expected in EXPECTED:
        if not sandbox.calls_of(*expected):
            yield f"nothing runs `{' '.join(expected)}`"
    for program, *words in sandbox.calls():
        first_flag = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
        verbs = words[:first_flag]
        text = help_of(sandbox.tools[program], *verbs)
        called = " ".join([program, *verbs])
        # Cobra answers with the help of the nearest command that it knows.
        if not re.search(rf"{re.escape(called)} \[", text):
            yield f"`{called}` is no command"
            continue
        for flag in (word.split("=")[0] for word in words if word.startswith("-")):
            if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text):
                yield f"`{called}` has no {flag}"


CHECKS = [
    compose_follows_its_specification,
    paths_are_in_the_repository,
    the_build_has_its_sources,
    images_have_what_is_used,
    images_are_of_the_pinned_versions,
    services_wait_for_what_can_be_healthy,
    published_ports_have_listeners,
    addresses_have_listeners,
    healthchecks_ask_listeners,
    arguments_are_in_the_help,
]


# === reading ===


def read_stages(path: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile, by name. Knows what ours uses: no heredocs, no variables."""
    stages: dict[str, Stage] = {}
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, text = line.partition(" ")
        if keyword == "FROM":
            base, _, name = text.partition(" AS ")
            stage = stages[name] = Stage(base)
        elif keyword:
            stage.instructions.append((keyword, text.strip()))
    return stages


def option(words: list[str], name: str) -> str | None:
    """The value of an option: `--name value` or `--name=value`."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None


def listener(address: str | None) -> Listener:
    host, _, port = (address or "nowhere:0").rpartition(":")
    return Listener(host, int(port))


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@cache
def help_of(program: Path, *verbs: str) -> str:
    done = run([str(program), *verbs, "--help"])
    return done.stdout + done.stderr


def main() -> int:
    """Exit status: 0 when nothing is wrong, else 1."""
    home = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="Check docker-compose.yml without Docker.")
    parser.add_argument(
        "--panko", type=Path, required=True, metavar="PATH", help="the panko binary"
    )
    parser.add_argument(
        "--temporal", type=Path, required=True, metavar="PATH", help="the Temporal CLI"
    )
    parser.add_argument(
        "--repository", type=Path, default=home, metavar="PATH", help="default: this one"
    )
    arguments = parser.parse_args()
    tools = {"panko": arguments.panko, "temporal": arguments.temporal}
    sandbox = Sandbox(arguments.repository.resolve(), tools)
    failed = 0
    for check in CHECKS:
        problems = list(check(sandbox))
        failed += bool(problems)
        print(f"{'FAILED' if problems else 'ok':6}  {check.__name__.replace('_', ' ')}")
        for problem in problems:
            print(f"        {problem}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
