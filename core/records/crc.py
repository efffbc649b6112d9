"""CRC-32C (Castagnoli), the checksum of record batches and of our own files.

Source: RFC 3720 appendix B.4; Kafka record format v2.
"""

from __future__ import annotations

from crc32c import crc32c as _crc32c

Readable = bytes | bytearray | memoryview


def crc32c(data: Readable, value: int = 0) -> int:
    """Checksum of `data`, continuing from the checksum `value` of what stood before it.

    Returns:
        An unsigned 32-bit number.
    """
    checksum: int = _crc32c(data, value)
    return checksum
