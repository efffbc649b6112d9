"""Prints docs/configuration.md: `python -m sprawl.core.config.document > docs/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.definition import ConfigKey
from sprawl.core.config.topic import BROKER_SYNONYMS, TOPIC_CONFIGS

_HEAD = """# Configuration

Written from the code by `python -m sprawl.core.config.document`; a test holds it fresh.

Names and defaults are Apache Kafka's. A config that this broker does not honour takes its default
only: another value is refused with the reason. The settings of the command line (`data`, `port`,
`storage` ...) are shown by `sprawl config --explain`.
"""


def document() -> str:
    """The page as Markdown."""
    sections = [
        _HEAD,
        "## Topic configs\n",
        "Set with CreateTopics or IncrementalAlterConfigs (`sprawl topic create --config`,",
        "`kafka-configs`). The broker config in the last column gives the default.\n",
        "| name | type | default | unit | what it does | broker config |",
        "|---|---|---|---|---|---|",
        *(f"{_row(key)} {BROKER_SYNONYMS.get(key.name, '')} |" for key in TOPIC_CONFIGS.values()),
        "\n## Broker configs\n",
        "Set with `--set name=value`, `SPRAWL_NAME`, `KAFKA_NAME` or `sprawl.toml`. Dynamic ones",
        "can also be changed while the node runs.\n",
        "| name | type | default | unit | what it does | dynamic |",
        "|---|---|---|---|---|---|",
        *_broker_rows(BROKER_CONFIGS.values()),
    ]
    return "\n".join(sections) + "\n"


def _broker_rows(keys: Iterable[ConfigKey]) -> Iterable[str]:
    for key in keys:
        yield f"{_row(key)} {'yes' if key.dynamic else ''} |"


def _row(key: ConfigKey) -> str:
    default = "null" if key.default is None else f"`{key.default}`" if key.default else "empty"
    return f"| `{key.name}` | {key.type.name.lower()} | {default} | {key.unit} | {key.doc} |"


if __name__ == "__main__":
    sys.stdout.write(document())
