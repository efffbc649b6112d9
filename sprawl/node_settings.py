"""The node's own settings: those that are no broker configs of Kafka's.

config.py says where their values come from; `sprawl config --explain` shows the texts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One of the node's own settings.

    Args:
        name: as in sprawl.toml; the flag is the same with `-`.
        default: text, or None when there is none.
        unit: of the value; empty for names and addresses.
        aliases: Kafka's names for the same thing.
        choices: the allowed values, when there are few.
    """

    name: str
    default: str | None
    unit: str
    doc: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="data",
        default="./data",
        unit="path",
        doc="Directory of the log segments and of the embedded store.",
        aliases=("log.dirs", "log.dir"),
    ),
    Setting(
        name="storage",
        default="disk",
        unit="",
        doc="Where topics are kept: on disk, or in memory until the node stops.",
        choices=("disk", "memory"),
    ),
    Setting(
        name="host",
        default="localhost",
        unit="address",
        doc="Address that the Kafka port binds to; 0.0.0.0 opens it to the network.",
    ),
    Setting(
        name="port",
        default="9092",
        unit="port",
        doc="Port for Kafka clients; 0 lets the system choose a free one.",
    ),
    Setting(
        name="listeners",
        default=None,
        unit="list",
        doc="Kafka's listeners, NAME://host:port; replaces host and port.",
        aliases=("listeners",),
    ),
    Setting(
        name="advertised.listeners",
        default=None,
        unit="list",
        doc="Addresses that clients are told to connect to, NAME://host:port.",
        aliases=("advertised.listeners",),
    ),
    Setting(
        name="advertised.host",
        default=None,
        unit="address",
        doc="Host that clients are told for a listener on all addresses that advertises nothing"
        " else; this machine's name when not given.",
    ),
    Setting(
        name="listener.security.protocol.map",
        default=None,
        unit="list",
        doc="Kafka's NAME:PROTOCOL list for listeners with names of their own.",
        aliases=("listener.security.protocol.map",),
    ),
    Setting(
        name="controller.listener.names",
        default=None,
        unit="list",
        doc="Listeners to leave out: Kafka's controller listeners, which a single node does not"
        " need.",
        aliases=("controller.listener.names",),
    ),
    Setting(
        name="http.host",
        default=None,
        unit="address",
        doc="Address that the HTTP port binds to; the same as host when not given.",
    ),
    Setting(
        name="http.port",
        default="9644",
        unit="port",
        doc="Port for health and Prometheus metrics; 0 for a free one, off for none.",
    ),
    Setting(
        name="schema.registry.port",
        default="8081",
        unit="port",
        doc="Port of the schema registry; 0 for a free one, off for none. The default is left alone"
        " when another program has it.",
    ),
    Setting(
        name="schema.registry.host",
        default=None,
        unit="address",
        doc="Address that the schema registry's port binds to; the same as host when not given.",
    ),
    Setting(
        name="schema.registry.compatibility.level",
        default="BACKWARD",
        unit="",
        doc="What new versions are compared with where neither subject nor registry has a level.",
        aliases=("schema.compatibility.level",),
        choices=(
            "NONE",
            "BACKWARD",
            "BACKWARD_TRANSITIVE",
            "FORWARD",
            "FORWARD_TRANSITIVE",
            "FULL",
            "FULL_TRANSITIVE",
        ),
    ),
    Setting(
        name="schema.registry.mode.mutability",
        default="true",
        unit="",
        doc="Whether modes of the schema registry can be set and taken away; false refuses that"
        " (42205).",
        aliases=("mode.mutability",),
        choices=("false", "true"),
    ),
    Setting(
        name="schema.registry.users",
        default=None,
        unit="path",
        doc="File of those who may use the schema registry, by basic authentication; everyone when"
        " not given. `sprawl schema hash-password NAME` makes its lines.",
    ),
    Setting(
        name="schema.registry.certificate",
        default=None,
        unit="path",
        doc="PEM certificate of the schema registry's port, which speaks TLS then.",
    ),
    Setting(
        name="schema.registry.key",
        default=None,
        unit="path",
        doc="PEM private key of schema.registry.certificate.",
    ),
    Setting(
        name="schema.registry.ca",
        default=None,
        unit="path",
        doc="PEM certificate of the authority that made those of the other nodes' registries, where"
        " the system does not know it.",
    ),
    Setting(
        name="node.id",
        default="1",
        unit="id",
        doc="This node's broker id.",
        aliases=("node.id", "broker.id"),
    ),
    Setting(
        name="cluster.id",
        default=None,
        unit="id",
        doc="Id for a new data directory (22 characters of base64); chosen at random otherwise.",
        aliases=("cluster.id",),
    ),
    Setting(
        name="peer.port",
        default=None,
        unit="port",
        doc="Port for the other nodes of a cluster; 0 for a free one. Not opened when not given,"
        " but 9093 with join.",
    ),
    Setting(
        name="peer.host",
        default=None,
        unit="address",
        doc="Address that the peer port binds to; the same as host when not given.",
    ),
    Setting(
        name="peer.advertised.host",
        default=None,
        unit="address",
        doc="Host that other nodes are told; advertised.host or peer.host when not given.",
    ),
    Setting(
        name="peer.address.map",
        default=None,
        unit="list",
        doc="ID=host:port of nodes that this one reaches at another address than the one they tell:"
        " through a tunnel or a port that is forwarded.",
    ),
    Setting(
        name="join",
        default=None,
        unit="list",
        doc="Nodes of a cluster to join, host:port of their peer ports. Counts for a new data"
        " directory; one that belongs to a cluster stays in it.",
    ),
    Setting(
        name="replace.node",
        default="false",
        unit="",
        doc="Join in the place of a node of the same id whose data is lost.",
        choices=("false", "true"),
    ),
    Setting(
        name="peer.certificate",
        default=None,
        unit="path",
        doc="PEM certificate that other nodes see; its subject alternative name is"
        " URI:sprawl:node:ID. With peer.key and peer.ca, nodes talk by mutual TLS.",
    ),
    Setting(
        name="peer.key",
        default=None,
        unit="path",
        doc="PEM private key of peer.certificate.",
    ),
    Setting(
        name="peer.ca",
        default=None,
        unit="path",
        doc="PEM certificate of the authority that made the certificates of all nodes.",
    ),
    Setting(
        name="gossip.keys",
        default=None,
        unit="path",
        doc="Keys that seal what nodes tell each other about who lives: one of 16, 24 or 32 bytes"
        " in base64 a line, the first one seals, all open. The same file on every node; it is read"
        " again when it changes.",
    ),
    Setting(
        name="ports.file",
        default=None,
        unit="path",
        doc="File to write the node's addresses to, as JSON, once it is ready.",
    ),
    Setting(
        name="log.level",
        default="auto",
        unit="",
        doc="Least severe log line to print; auto is warning on a terminal and info elsewhere.",
        choices=("auto", "debug", "info", "warning", "error"),
    ),
    Setting(
        name="log.format",
        default="auto",
        unit="",
        doc="Log lines for humans or as JSON; auto is human on a terminal and JSON elsewhere.",
        choices=("auto", "human", "json"),
    ),
    Setting(
        name="bootstrap",
        default="localhost:9092",
        unit="list",
        doc="Brokers that the client commands connect to first, host:port.",
        aliases=("bootstrap.servers",),
    ),
    Setting(
        name="schema.registry.url",
        default="http://localhost:8081",
        unit="address",
        doc="The schema registry that `sprawl schema` asks; http://USER:PASSWORD@HOST:PORT when it"
        " wants to know who asks.",
    ),
)
