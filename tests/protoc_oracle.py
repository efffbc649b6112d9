"""protoc, as grpcio-tools brings it, for comparisons with our descriptors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import google.type
from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc

_WELL_KNOWN = (
    str(resources.files("grpc_tools") / "_proto"),
    str(Path(next(iter(google.type.__path__))).parents[1]),
)


def descriptor(
    text: str, imports: Mapping[str, str] | None = None, path: str = "default"
) -> pb.FileDescriptorProto | str:
    """What protoc makes of a text; what it says where it refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**(imports or {}), path: text}.items():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        out = Path(folder, "out.bin")
        arguments = ["protoc", f"-I{folder}", *(f"-I{place}" for place in _WELL_KNOWN)]
        code, said = _run([*arguments, f"-o{out}", path])
        if code:
            return said.replace(f"{folder}/", "")
        return pb.FileDescriptorSet.FromString(out.read_bytes()).file[0]


def _run(arguments: list[str]) -> tuple[int, str]:
    """protoc writes to the process's own standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            code = protoc.main(arguments)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        return code, said.read().decode(errors="replace")
