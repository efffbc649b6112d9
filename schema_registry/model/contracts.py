"""Data contracts: the metadata and the rules that are registered with a schema.

The registry stores, merges and validates them, and counts them into a schema's identity; clients
carry them out. Sets and maps are kept sorted, as they are written and hashed.

Source: Confluent Schema Registry, "Data contracts"; the order of what is hashed and of the fields
in JSON as its version 8 has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from sprawl.schema_registry.model import faults, limits

Json = dict[str, object]
T = TypeVar("T")

CONFLUENT_VERSION = "confluent:version"
"""The property that says which version of its subject a schema is."""

_MIGRATION_MODES = frozenset(("UPGRADE", "DOWNGRADE", "UPDOWN"))
_DOMAIN_MODES = frozenset(("WRITE", "READ", "WRITEREAD"))
_MODES_WITH_TWO_ACTIONS = ("WRITEREAD", "UPDOWN")
_KINDS = ("TRANSFORM", "CONDITION")


class MalformedContract(ValueError):
    """JSON that is no metadata or no rule set; the message says where."""


class Metadata(NamedTuple):
    """Annotations of a schema.

    Args:
        tags: of paths in the schema.
        sensitive: names of the properties that are secret.
    """

    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    sensitive: tuple[str, ...] = ()

    def value_of(self, name: str) -> str | None:
        """The value of a property."""
        return dict(self.properties).get(name)

    @property
    def confluent_version(self) -> int | None:
        """None also when the property is no number."""
        text = self.value_of(CONFLUENT_VERSION)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def with_confluent_version(self, version: int | None) -> Metadata:
        """Args: version: None takes the property away."""
        properties = dict(self.properties)
        properties.pop(CONFLUENT_VERSION, None)
        if version is not None:
            properties[CONFLUENT_VERSION] = str(version)
        return self._replace(properties=_sorted_items(properties))

    def to_json(self) -> Json:
        tags: object = {path: list(tags) for path, tags in self.tags}
        return _without_empty(
            {
                "tags": tags,
                "properties": dict(self.properties),
                "sensitive": list(self.sensitive),
            }
        )

    def hash_into(self, update: Callable[[bytes], None]) -> None:
        """Feed the identity of a schema."""
        for path, tags in self.tags:
            for text in (path, *tags):
                update(_utf8(text))
        for pair in self.properties:
            for text in pair:
                update(_utf8(text))
        for text in self.sensitive:
            update(_utf8(text))


class Rule(NamedTuple):
    """One rule. `kind` and `mode` are texts, so that a log with newer ones can still be read."""

    name: str | None
    doc: str | None = None
    kind: str = "TRANSFORM"
    mode: str = "WRITEREAD"
    type: str | None = None
    tags: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    expr: str | None = None
    on_success: str | None = None
    on_failure: str | None = None
    disabled: bool = False

    def to_json(self) -> Json:
        return _without_empty(
            {
                "name": self.name,
                "doc": self.doc,
                "kind": self.kind,
                "mode": self.mode,
                "type": self.type,
                "tags": list(self.tags),
                "params": dict(self.params),
                "expr": self.expr,
                "onSuccess": self.on_success,
                "onFailure": self.on_failure,
                "disabled": self.disabled,
            }
        )

    def hash_into(self, update: Callable[[bytes], None]) -> None:
        for text in (self.name, self.doc, self.kind, self.mode, self.type, *self.tags):
            if text is not None:
                update(_utf8(text))
        for pair in self.params:
            for text in pair:
                update(_utf8(text))
        for text in (self.expr, self.on_success, self.on_failure):
            if text is not None:
                update(_utf8(text))
        if self.disabled:
            update(b"\x01")


class RuleSet(NamedTuple):
    """The rules of a schema by phase."""

    migration_rules: tuple[Rule, ...] = ()
    domain_rules: tuple[Rule, ...] = ()
    encoding_rules: tuple[Rule, ...] = ()
    enable_at: str | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.migration_rules + self.domain_rules + self.encoding_rules

    def without(self, names: Iterable[str]) -> RuleSet:
        gone = frozenset(names)
        migration, domain, encoding = (
            tuple(rule for rule in rules if rule.name not in gone) for rules in self[:3]
        )
        return RuleSet(migration, domain, encoding, self.enable_at)

    def to_json(self) -> Json:
        return _without_empty(
            {
                "migrationRules": [rule.to_json() for rule in self.migration_rules],
                "domainRules": [rule.to_json() for rule in self.domain_rules],
                "encodingRules": [rule.to_json() for rule in self.encoding_rules],
                "enableAt": self.enable_at,
            }
        )

    def hash_into(self, update: Callable[[bytes], None]) -> None:
        for rule in self.rules:
            rule.hash_into(update)
        if self.enable_at is not None:
            update(_utf8(self.enable_at))


def merge_metadata(older: Metadata | None, newer: Metadata | None) -> Metadata | None:
    """Both together; where both say something of one path or property, `newer` counts."""
    if older is None or newer is None:
        return newer if older is None else older
    return Metadata(
        _sorted_items({**dict(older.tags), **dict(newer.tags)}),
        _sorted_items({**dict(older.properties), **dict(newer.properties)}),
        _sorted_texts({*older.sensitive, *newer.sensitive}),
    )


def merge_rule_sets(older: RuleSet | None, newer: RuleSet | None) -> RuleSet | None:
    """Both together, the older ones first; a newer rule replaces the older one of its name."""
    if older is None or newer is None:
        return newer if older is None else older
    migration, domain, encoding = (
        (*(rule for rule in old if rule.name not in {rule.name for rule in new}), *new)
        for old, new in zip(older[:3], newer[:3], strict=True)
    )
    return RuleSet(migration, domain, encoding, newer.enable_at or older.enable_at)


def check_rule_set(rule_set: RuleSet | None) -> None:
    """Refuse rules that no client could carry out.

    Raises:
        RegistryFault: 42210.
    """
    if rule_set is None:
        return
    names: set[str | None] = set()
    for rules, modes, wanted in (
        (rule_set.migration_rules, _MIGRATION_MODES, "Migration rules can only be UPGRADE, "
         "DOWNGRADE, UPDOWN"),
        (rule_set.domain_rules, _DOMAIN_MODES, "Domain rules can only be WRITE, READ, WRITEREAD"),
        (rule_set.encoding_rules, _DOMAIN_MODES, "Encoding rules can only be WRITE, READ, "
         "WRITEREAD"),
    ):  # fmt: skip
        for rule in rules:
            if rule.name in names:
                raise faults.invalid_rule_set(f"Found rule with duplicate name '{rule.name}'")
            names.add(rule.name)
            _check_rule(rule)
            if rule.mode not in modes:
                raise faults.invalid_rule_set(wanted)


def _check_rule(rule: Rule) -> None:
    problem = _problem_of_name(rule.name)
    if problem is None and rule.type is None:
        problem = "Missing rule type"
    if problem is None and rule.kind not in _KINDS:
        problem = f"Unknown rule kind: {rule.kind}"
    if problem is None and rule.mode not in _MODES_WITH_TWO_ACTIONS:
        actions = (rule.on_success or "") + (rule.on_failure or "")
        if "," in actions:
            problem = "Multiple actions only valid with WRITEREAD and UPDOWN"
    if problem is not None:
        raise faults.invalid_rule_set(problem)


def _problem_of_name(name: str | None) -> str | None:
    if name is None:
        return "Missing rule name"
    if not name:
        return "Empty rule name"
    if len(name) > limits.RULE_NAME_CHARS_MAX:
        return "Rule name too long"
    if not (name[0].isalpha() or name[0] == "_"):
        return f"Illegal initial character in rule name: {name}"
    if not all(character.isalnum() or character in "_-" for character in name[1:]):
        return f"Illegal character in rule name: {name}"
    return None


def is_unicode(*values: object) -> bool:
    """Whether no text in there has half a character, which JSON can spell but UTF-8 cannot."""
    for value in values:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                return False
        elif isinstance(value, tuple) and not is_unicode(*value):
            return False
    return True


def parse_metadata(value: object) -> Metadata | None:
    """Raises: MalformedContract."""
    if value is None:
        return None
    fields = _mapping(value, "metadata")
    tags = {
        path: _sorted_texts(_texts(tags, f"metadata.tags.{path}"))
        for path, tags in _mapping(fields.get("tags"), "metadata.tags").items()
    }
    return Metadata(
        _sorted_items(tags),
        _sorted_items(_text_mapping(fields.get("properties"), "metadata.properties")),
        _sorted_texts(_texts(fields.get("sensitive"), "metadata.sensitive")),
    )


def parse_rule_set(value: object) -> RuleSet | None:
    """Raises: MalformedContract."""
    if value is None:
        return None
    fields = _mapping(value, "ruleSet")
    migration, domain, encoding = (
        tuple(_parse_rule(rule) for rule in _list(fields.get(name), f"ruleSet.{name}"))
        for name in ("migrationRules", "domainRules", "encodingRules")
    )
    return RuleSet(migration, domain, encoding, _text(fields.get("enableAt"), "ruleSet.enableAt"))


def _parse_rule(value: object) -> Rule:
    fields = _mapping(value, "rule")

    def text(name: str) -> str | None:
        return _text(fields.get(name), f"rule.{name}")

    disabled = fields.get("disabled", False)
    if not isinstance(disabled, bool):
        raise MalformedContract("rule.disabled is neither true nor false")
    return Rule(
        name=text("name"),
        doc=text("doc"),
        kind=text("kind") or "TRANSFORM",
        mode=text("mode") or "WRITEREAD",
        type=text("type"),
        tags=_sorted_texts(_texts(fields.get("tags"), "rule.tags")),
        params=_sorted_items(_text_mapping(fields.get("params"), "rule.params")),
        expr=text("expr"),
        on_success=text("onSuccess"),
        on_failure=text("onFailure"),
        disabled=disabled,
    )


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedContract(f"{where} is no JSON object")
    return value


def _list(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedContract(f"{where} is no JSON array")
    return value


def _text(value: object, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise MalformedContract(f"{where} is no text")


def _texts(value: object, where: str) -> list[str]:
    texts = [_text(item, where) for item in _list(value, where)]
    if None in texts:
        raise MalformedContract(f"{where} has a null")
    return [text for text in texts if text is not None]


def _text_mapping(value: object, where: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, item in _mapping(value, where).items():
        text = _text(item, f"{where}.{name}")
        if text is None:
            raise MalformedContract(f"{where}.{name} is null")
        texts[name] = text
    return texts


def _sorted_texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts), key=_utf16))


def _sorted_items(mapping: Mapping[str, T]) -> tuple[tuple[str, T], ...]:
    return tuple(sorted(mapping.items(), key=lambda item: _utf16(item[0])))


def _utf16(text: str) -> bytes:
    """Java compares texts by their UTF-16 units; only characters above U+FFFF show it."""
    return text.encode("utf-16-be", "surrogatepass")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _without_empty(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
