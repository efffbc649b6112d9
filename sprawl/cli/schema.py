"""`sprawl schema`: list, show, register, check, diff, delete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import click

from sprawl.cli.common import Command, json_option, load_settings, print_json, print_table
from sprawl.cli.schema_text import diff_lines, parse_problems, pretty, problem_lines
from sprawl.client.registry import RegistryClient, RegistryError
from sprawl.faults import EXIT_FAILED, EXIT_USAGE, CommandFault

TYPES: Final = {".avsc": "AVRO", ".json": "JSON", ".proto": "PROTOBUF"}
"""What a file's name says of its schema."""
_VERSION: Final = re.compile(r"-1|[0-9]{1,10}")
_NO_SUBJECT: Final = 40401
_NO_VERSION: Final = 40402


@click.group(name="schema")
def command() -> None:
    """List, show, register, check, compare and delete schemas."""


def registry_option(option: Command) -> Command:
    """Adds `--registry`; the parameter is None unless given."""
    return click.option(
        "--registry",
        metavar="URL",
        help="The schema registry. Default: SPRAWL_SCHEMA_REGISTRY_URL, sprawl.toml,"
        " http://localhost:8081.",
    )(option)


def schema_options(option: Command) -> Command:
    """Adds what says which schema: FILE, `--type`, `--reference`, `--normalize`."""
    option = click.option("--normalize", is_flag=True, help="Store what means the same as one.")(
        option
    )
    option = click.option(
        "--reference",
        "references",
        multiple=True,
        metavar="NAME=SUBJECT:VERSION",
        help="What the schema refers to; the version -1 is the latest.",
    )(option)
    option = click.option(
        "--type",
        "schema_type",
        type=click.Choice(list(TYPES.values()), case_sensitive=False),
        help="Default: by the file's name: .avsc, .json, .proto.",
    )(option)
    return click.argument("file", type=click.Path(path_type=Path, allow_dash=True))(option)


@command.command(name="list")
@click.argument("prefix", default="")
@click.option("--deleted", is_flag=True, help="Also what was deleted and can still be read.")
@registry_option
@json_option
def list_schemas(*, prefix: str, deleted: bool, registry: str | None, as_json: bool) -> None:
    """List the latest schema of each subject whose name begins with PREFIX."""
    client = _connect(registry)
    found = _latest_of_all(client, prefix or ":*:", deleted=deleted)
    if as_json:
        print_json(found)
        return
    rows = [(each["subject"], each["version"], each["id"], _type_of(each)) for each in found]
    print_table(["subject", "version", "id", "type"], sorted(rows))
    if not found:
        click.echo("No schemas. Try: sprawl schema register SUBJECT FILE", err=True)


@command.command()
@click.argument("subject", required=False)
@click.option("--version", default="latest", show_default=True, help="Of the subject.")
@click.option("--id", "schema_id", type=click.IntRange(1), help="A schema by its id.")
@click.option("--raw", is_flag=True, help="The text as it is stored, and nothing else.")
@registry_option
@json_option
def show(
    *,
    subject: str | None,
    version: str,
    schema_id: int | None,
    raw: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    """Show a schema: a version of SUBJECT, or one by its id."""
    if (subject is None) == (schema_id is None):
        raise CommandFault(
            "either a subject or an id",
            next_step="sprawl schema show SUBJECT",
            exit_code=EXIT_USAGE,
        )
    client = _connect(registry)
    if schema_id is not None:
        found = client.ask("GET", "schemas", "ids", schema_id)
        heading = f"id {schema_id}"
    else:
        assert subject is not None
        found = client.ask("GET", "subjects", subject, "versions", version)
        heading = f"{subject} version {found['version']}  id {found['id']}"
    if as_json:
        print_json(found)
    elif raw:
        click.echo(found["schema"])
    else:
        click.echo(f"{heading}  {_type_of(found)}", err=True)
        for each in found.get("references") or ():
            click.echo(f"  {each['name']} = {each['subject']}:{each['version']}", err=True)
        click.echo(pretty(found["schema"], _type_of(found)))


@command.command()
@click.argument("subject")
@schema_options
@registry_option
@json_option
def register(
    *,
    subject: str,
    file: Path,
    schema_type: str | None,
    references: tuple[str, ...],
    normalize: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    """Make the schema in FILE (`-`: standard input) a version of SUBJECT."""
    client = _connect(registry)
    body = _body(file, schema_type, references)
    found = client.ask("POST", "subjects", subject, "versions", body=body, normalize=normalize)
    if "version" not in found:  # older registries tell the id only
        found |= client.ask("POST", "subjects", subject, body=body, normalize=normalize)
    if as_json:
        print_json({"subject": subject, **found})
    else:
        click.echo(f"{subject} version {found['version']} has this schema, id {found['id']}.")


@command.command()
@click.argument("subject")
@schema_options
@click.option("--version", help="Against this one only, or `latest`. Default: as the level says.")
@registry_option
@json_option
def check(
    *,
    subject: str,
    file: Path,
    schema_type: str | None,
    references: tuple[str, ...],
    normalize: bool,
    version: str | None,
    registry: str | None,
    as_json: bool,
) -> int:
    """Say whether the schema in FILE may be the next version of SUBJECT, and if not, why (exit
    code 1)."""
    client = _connect(registry)
    body = _body(file, schema_type, references)
    found = _check(client, subject, body, version, normalize=normalize)
    if as_json:
        print_json(found)
    elif found["is_compatible"]:
        click.echo(f"Compatible with {_named(subject, version)}.")
    else:
        click.echo(f"Not compatible with {_named(subject, version)}:")
        for line in problem_lines(parse_problems(found.get("messages") or ())):
            click.echo(line)
    return 0 if found["is_compatible"] else EXIT_FAILED


@command.command()
@click.argument("subject")
@schema_options
@click.option("--version", default="latest", show_default=True, help="To compare with.")
@registry_option
def diff(
    *,
    subject: str,
    file: Path,
    schema_type: str | None,
    references: tuple[str, ...],
    normalize: bool,
    version: str,
    registry: str | None,
) -> int:
    """Show how the schema in FILE differs from a version of SUBJECT, and mark what is not
    compatible (exit code 1)."""
    client = _connect(registry)
    body = _body(file, schema_type, references)
    stored = client.ask("GET", "subjects", subject, "versions", version)
    found = _check(client, subject, body, str(stored["version"]), normalize=normalize)
    problems = parse_problems(found.get("messages") or ())
    names = (f"{subject} version {stored['version']}", str(file))
    kind = str(body["schemaType"])
    new = _laid_out(str(body["schema"]), kind)
    lines = list(diff_lines(stored["schema"], new, kind, names, problems))
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("No difference.")
    if found["is_compatible"]:
        return 0
    click.echo("\nNot compatible:")
    for line in problem_lines(problems):
        click.echo(line)
    return EXIT_FAILED


@command.command()
@click.argument("subject")
@click.option("--version", help="One version, or `latest`. Default: all.")
@click.option("--permanent", is_flag=True, help="What was deleted before: for good.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@registry_option
def delete(
    *, subject: str, version: str | None, permanent: bool, yes: bool, registry: str | None
) -> None:
    """Delete SUBJECT, or one version: readers still find its schemas by id, until `--permanent`."""
    if not yes:
        manner = " for good" if permanent else ""
        click.confirm(f"Delete {_named(subject, version)}{manner}?", abort=True, err=True)
    client = _connect(registry)
    path = ("subjects", subject) if version is None else ("subjects", subject, "versions", version)
    gone = client.ask("DELETE", *path, permanent=permanent)
    versions = gone if isinstance(gone, list) else [gone]
    noun = "version" if len(versions) == 1 else "versions"
    click.echo(f"Deleted {noun} {', '.join(map(str, versions))} of {subject}.")


@command.command(name="hash-password")
@click.argument("name")
@click.password_option(help="Asked for when not given.")
def hash_a_password(*, name: str, password: str) -> None:
    """Print the line of NAME for the file in schema.registry.users."""
    from sprawl.schema_registry.rest.auth import hash_password

    if ":" in name or name.startswith("#") or [name] != name.strip().splitlines():
        raise CommandFault(
            "a user's name has no colon, no # in front, no blanks around it and one line",
            exit_code=EXIT_USAGE,
        )
    click.echo(f"{name}:{hash_password(password)}")


def _connect(registry: str | None) -> RegistryClient:
    flags = {} if registry is None else {"schema.registry.url": registry}
    return RegistryClient(load_settings(flags).required("schema.registry.url"))


def _latest_of_all(client: RegistryClient, prefix: str, *, deleted: bool) -> list[dict[str, Any]]:
    """A registry gives a thousand at once, or fewer; one that knows no pages gives all at once."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    known = -1
    while known < len(found):
        known = len(found)
        page = client.ask(
            "GET",
            "schemas",
            subjectPrefix=prefix,
            latestOnly=True,
            deleted=deleted,
            offset=known,
        )
        found |= {(each["subject"], each["version"]): each for each in page}
    return list(found.values())


def _body(file: Path, schema_type: str | None, references: tuple[str, ...]) -> dict[str, Any]:
    """A schema as a request has it.

    Raises:
        CommandFault: the file cannot be read, or nothing says what type it has (exit code 2).
    """
    kind = schema_type or TYPES.get(file.suffix)
    if kind is None:
        raise CommandFault(
            f"the name of {file} does not say what schema it is",
            next_step=f"--type {'|'.join(TYPES.values())}",
            exit_code=EXIT_USAGE,
        )
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as failure:
        raise CommandFault(f"{file} cannot be read: {failure}", exit_code=EXIT_USAGE) from failure
    body: dict[str, Any] = {"schema": text, "schemaType": kind.upper()}
    if references:
        body["references"] = [_reference(each) for each in references]
    return body


def _reference(text: str) -> dict[str, object]:
    name, _, place = text.rpartition("=")  # a name may be a URL with a query
    subject, _, version = place.rpartition(":")
    if not name or not subject or not _VERSION.fullmatch(version):
        raise CommandFault(
            f"{text!r} is not NAME=SUBJECT:VERSION",
            next_step="--reference com.example.Address=address-value:1",
            exit_code=EXIT_USAGE,
        )
    return {"name": name, "subject": subject, "version": int(version)}


def _check(
    client: RegistryClient,
    subject: str,
    body: dict[str, Any],
    version: str | None,
    *,
    normalize: bool,
) -> dict[str, Any]:
    path = ["compatibility", "subjects", subject, "versions"]
    if version is not None:
        path.append(version)
    try:
        found = client.ask("POST", *path, body=body, verbose=True, normalize=normalize)
    except RegistryError as error:
        if error.code not in (_NO_SUBJECT, _NO_VERSION) or version is not None:
            raise
        return {"is_compatible": True}  # the first version of a subject
    assert isinstance(found, dict)
    return found


def _laid_out(text: str, kind: str) -> str:
    """A Protobuf schema as a registry lays it out; one that refers to others as it is."""
    if kind != "PROTOBUF":
        return text
    from sprawl.schema_registry.protobuf.schema import ProtobufFormat
    from sprawl.schema_registry.schemas import InvalidSchema

    try:
        return ProtobufFormat().parse(text, (), {}).canonical
    except InvalidSchema:
        return text


def _named(subject: str, version: str | None) -> str:
    return subject if version is None else f"{subject} version {version}"


def _type_of(schema: dict[str, Any]) -> str:
    """Registries leave it out for Avro."""
    return str(schema.get("schemaType") or "AVRO")
