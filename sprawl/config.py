"""Settings: where each value comes from and which one wins.

    flag  >  SPRAWL_* environment  >  KAFKA_* environment  >  sprawl.toml  >  default

A setting is one of the node's own (node_settings.py) or any broker config by its Kafka name. Names
are compared without regard to case and to `.`, `-` and `_`: `num.partitions`,
`--set num-partitions`, `SPRAWL_NUM_PARTITIONS`, `KAFKA_NUM_PARTITIONS` and `[num] partitions` in
the file are one setting.

Rules:
1. An unknown name in sprawl.toml or in `--set` is an error that names the nearest known one.
2. An unknown SPRAWL_* variable is a warning; an unknown KAFKA_* one is ignored, because images set
   variables for a JVM that is not here.
3. Values are kept as text with their source; typed properties parse them, so `sprawl config
   --explain` shows what the user wrote.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from sprawl.faults import SettingFault
from sprawl.node_settings import SETTINGS

ENVIRONMENT_ONLY = frozenset({"config", "seed"})
"""SPRAWL_* variables that are no settings: SPRAWL_CONFIG names the file, SPRAWL_SEED is read by
tests."""


class Rank(IntEnum):
    """Strength of a source; the smallest one that has a value wins."""

    FLAG = 0
    ENVIRONMENT = 1
    KAFKA_ENVIRONMENT = 2
    FILE = 3
    DEFAULT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerKey:
    """What this module needs to know about a broker config: its Kafka name and how to show it."""

    name: str
    default: str | None
    unit: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A setting's value and where it was found."""

    name: str
    value: str | None
    rank: Rank
    source: str
    unit: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The resolved settings of one process.

    Args:
        own: the node's own settings by name.
        broker: broker configs that were set, by Kafka name.
        warnings: names in the environment that look like a mistake.
    """

    own: Mapping[str, Resolved]
    broker: Mapping[str, Resolved] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str | None:
        return self.own[name].value

    def required(self, name: str) -> str:
        value = self.own[name].value
        if value is None:
            raise SettingFault(f"{name} has no value", next_step="sprawl config --explain")
        return value

    def number(self, name: str, *, least: int, most: int) -> int:
        """Raises: SettingFault when the value is no integer in [least, most]."""
        value = self.required(name)
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            found = self.own[name]
            raise SettingFault(
                f"{name} = {value!r} (from {found.source}) is not a whole number"
                f" from {least} to {most}",
                next_step="sprawl config --explain",
            )
        return number

    @property
    def data(self) -> Path:
        """The data directory. Kafka's log.dirs may be a list; the first one is used."""
        return Path(self.required("data").split(",")[0].strip()).expanduser()

    @property
    def storage(self) -> str:
        return self.required("storage")

    @property
    def node_id(self) -> int:
        return self.number("node.id", least=0, most=2**31 - 1)

    @property
    def port(self) -> int:
        return self.number("port", least=0, most=65535)

    @property
    def http_port(self) -> int | None:
        """The HTTP port; None when it is off."""
        return self._port_or_none("http.port")

    @property
    def schema_registry_port(self) -> int | None:
        """The schema registry's port; None when it is off."""
        return self._port_or_none("schema.registry.port")

    def _port_or_none(self, name: str) -> int | None:
        if self.required(name).lower() in ("off", "none", ""):
            return None
        return self.number(name, least=0, most=65535)

    @property
    def peer_port(self) -> int | None:
        """The port for other nodes; None when there are none."""
        if self.text("peer.port") is None:
            return 9093 if self.text("join") else None
        return self.number("peer.port", least=0, most=65535)

    def flag(self, name: str) -> bool:
        """Whether a setting of false and true is true."""
        return self.required(name) == "true"

    @property
    def http_host(self) -> str:
        return self.text("http.host") or self.required("host")

    @property
    def ports_file(self) -> Path | None:
        value = self.text("ports.file")
        return Path(value) if value else None

    @property
    def listeners(self) -> str:
        """Kafka's `listeners` text, built from host and port unless a source at least as strong
        gave the list itself."""
        given = self.own["listeners"]
        strongest = min(self.own["host"].rank, self.own["port"].rank)
        if given.value and given.rank <= strongest:
            return self._without_controller(given.value)
        host = self.required("host")
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"PLAINTEXT://{host}:{self.port}"

    @property
    def advertised_listeners(self) -> str | None:
        """Kafka's `advertised.listeners` text."""
        given = self.text("advertised.listeners")
        return self._without_controller(given) if given else None

    def _without_controller(self, listeners: str) -> str:
        """Drops the controller's listeners, as files and variables for Kafka's KRaft mode name
        them: here the controller needs no socket of its own."""
        names = (self.text("controller.listener.names") or "").split(",")
        dropped = {name.strip().upper() for name in names}
        entries = [entry.strip() for entry in listeners.split(",")]
        return ",".join(e for e in entries if e.partition("://")[0].upper() not in dropped)


def normalized(name: str) -> str:
    """The form in which names are compared."""
    return name.lower().replace(".", "_").replace("-", "_")


def resolve(
    *,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: Mapping[str, object],
    file_name: str,
    broker_keys: Iterable[BrokerKey],
) -> Settings:
    """Settles every setting.

    Args:
        flags: values by setting name, from the command line or the embedded API.
        environment: the process's variables.
        file: the parsed sprawl.toml, {} when there is none.
        file_name: how to call that file in messages.
        broker_keys: the known broker configs.

    Raises:
        SettingFault: an unknown name in a flag or the file, or a value outside a setting's choices.
    """
    names = _names(broker_keys)
    offers = _Offers(names.known)
    for key, value in flags.items():
        if not offers.offer(key, Rank.FLAG, "flag", value):
            raise _unknown(key, "the command line", names.known)
    warnings = _offer_environment(offers, environment)
    for key, value in _flattened(file):
        if not offers.offer(key, Rank.FILE, file_name, value):
            raise _unknown(key, file_name, names.known)
    return _settled(names, offers.found, warnings)


def broker_keys() -> list[BrokerKey]:
    """Every broker config that can be set by its Kafka name."""
    from sprawl.core.config.broker_keys import BROKER_CONFIGS

    return [
        BrokerKey(
            name=key.name,
            default=None if key.default is None else str(key.default),
            unit=key.unit or "",
            doc=key.doc,
        )
        for key in BROKER_CONFIGS.values()
    ]


def read_file(path: Path) -> dict[str, object]:
    """Parses sprawl.toml.

    Raises:
        SettingFault: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingFault(
            f"cannot read {path}: {error.strerror}", next_step="sprawl --config PATH"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingFault(f"{path} is not valid TOML: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    known: Mapping[str, str]
    """Setting name by normalized name or alias."""
    broker: Mapping[str, BrokerKey]


def _names(broker_keys: Iterable[BrokerKey]) -> _Names:
    known: dict[str, str] = {}
    for setting in SETTINGS:
        for name in (setting.name, *setting.aliases):
            known[normalized(name)] = setting.name
    broker: dict[str, BrokerKey] = {}
    for key in broker_keys:
        if known.setdefault(normalized(key.name), key.name) == key.name:
            broker[key.name] = key
    return _Names(known=known, broker=broker)


class _Offers:
    """The strongest value offered for each setting so far."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.found: dict[str, tuple[Rank, str, str]] = {}

    def offer(self, key: str, rank: Rank, source: str, value: str) -> bool:
        """Returns: whether `key` names a setting."""
        name = self.known.get(normalized(key))
        if name is None:
            return False
        if name not in self.found or rank < self.found[name][0]:
            self.found[name] = (rank, source, value)
        return True


def _offer_environment(offers: _Offers, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Returns: a warning for each SPRAWL_* variable that is no setting."""
    warnings: list[str] = []
    for variable, value in environment.items():
        source = f"env {variable}"
        if variable.startswith("SPRAWL_"):
            key = variable.removeprefix("SPRAWL_")
            known = offers.offer(key, Rank.ENVIRONMENT, source, value)
            if not known and normalized(key) not in ENVIRONMENT_ONLY:
                warnings.append(str(_unknown(key, f"variable {variable}", offers.known)))
        elif variable.startswith("KAFKA_"):
            key = variable.removeprefix("KAFKA_")
            offers.offer(key, Rank.KAFKA_ENVIRONMENT, source, value)
        elif variable == "CLUSTER_ID":
            offers.offer("cluster.id", Rank.KAFKA_ENVIRONMENT, source, value)
    return tuple(warnings)


def _settled(
    names: _Names, found: Mapping[str, tuple[Rank, str, str]], warnings: tuple[str, ...]
) -> Settings:
    own: dict[str, Resolved] = {}
    for setting in SETTINGS:
        rank, source, value = found.get(setting.name, (Rank.DEFAULT, "default", setting.default))
        if setting.choices and value not in setting.choices:
            raise SettingFault(
                f"{setting.name} = {value!r} (from {source}) is not one of"
                f" {', '.join(setting.choices)}",
                next_step="sprawl config --explain",
            )
        own[setting.name] = Resolved(
            name=setting.name,
            value=value,
            rank=rank,
            source=source,
            unit=setting.unit,
            doc=setting.doc,
        )
    broker: dict[str, Resolved] = {}
    for name, (rank, source, value) in found.items():
        if name in own:
            continue
        key = names.broker[name]
        broker[name] = Resolved(
            name=name, value=value, rank=rank, source=source, unit=key.unit, doc=key.doc
        )
    return Settings(own=own, broker=broker, warnings=warnings)


def _flattened(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return str(value)


def _unknown(key: str, where: str, known: Mapping[str, str]) -> SettingFault:
    near = difflib.get_close_matches(normalized(key), known, n=1)
    hint = f"; did you mean {known[near[0]]}?" if near else ""
    return SettingFault(
        f"{where} sets {key!r}, which is no setting{hint}", next_step="sprawl config --explain"
    )
