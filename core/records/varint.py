"""Zigzag varints as records use them.

Source: Kafka record format v2; the same as Protocol Buffers' sint32 and sint64.
"""

from __future__ import annotations


def append_varint(out: bytearray, value: int) -> None:
    """Append `value`, an int32 or int64; small magnitudes take few bytes."""
    rest = (value << 1) ^ (value >> 63)
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)


def read_varint(data: bytes, pos: int, size_bytes_max: int) -> tuple[int, int]:
    """Read the varint at `pos`.

    Args:
        size_bytes_max: 5 for an int32, 10 for an int64.

    Returns:
        (value, position after it).

    Raises:
        IndexError: the data ends inside of it.
        ValueError: it is longer, or its value larger, than the type allows.
    """
    rest = data[pos]
    pos += 1
    if rest < 0x80:
        return (rest >> 1) ^ -(rest & 1), pos
    rest &= 0x7F
    shift = 7
    for size in range(2, size_bytes_max + 1):
        byte = data[pos]
        pos += 1
        rest |= (byte & 0x7F) << shift
        if byte < 0x80:
            if size == size_bytes_max and byte >= (0x10 if size == 5 else 0x02):
                break
            return (rest >> 1) ^ -(rest & 1), pos
        shift += 7
    raise ValueError("a varint is larger than its type")
