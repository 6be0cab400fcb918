"""Small pictures as bytes: containers that are right, without a drawing program."""

import struct
import zlib

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")


def png(width: int = 64, height: int = 32, *, extra: bytes = b"") -> bytes:
    """A black PNG; `extra` is the name of a further chunk."""
    pixels = zlib.compress(b"\0" * (width // 8 + 2) * height)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), *([(extra, bytes(8))] if extra else []), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def jpeg(width: int = 64, height: int = 32) -> bytes:
    """What begins and ends as a JPEG, with a frame of this size."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return JPEG + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(20) + b"\xff\xd9"


def webp(width: int = 64, height: int = 32, *, moving: bool = False) -> bytes:
    """An extended WebP's head, of this size."""
    flags = b"\x02" if moving else b"\x00"
    head = flags + bytes(3) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", len(head)) + head + b"VP8L" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
