"""Certificates for tests, by the openssl command."""

import asyncio
import tempfile
from pathlib import Path

_folder = tempfile.TemporaryDirectory(prefix="hf-certificate-")
_any = (Path(_folder.name) / "any.pem", Path(_folder.name) / "any.key")


async def any_certificate() -> tuple[Path, Path]:
    """Certificate and key of no name in particular, made once in this process."""
    if not _any[1].exists():
        await make_certificate(*_any, "any")
    return _any


async def make_certificate(pem: Path, key: Path, common_name: str) -> None:
    """Write a self-signed certificate of a name, and its key."""
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
    await openssl("req", *kind, "-subj", f"/CN={common_name}", "-keyout", str(key), "-out", str(pem))


async def common_name(pem: bytes) -> str:
    """The name that a certificate is made out to."""
    subject = await openssl("x509", "-noout", "-subject", "-nameopt", "multiline", given=pem)
    return subject.partition("commonName")[2].partition("=")[2].strip()


async def openssl(*words: str, given: bytes = b"") -> str:
    """What the command prints. Raises `AssertionError` with its complaint."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("openssl", *words, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(given)
    assert process.returncode == 0, err.decode()
    return out.decode()
