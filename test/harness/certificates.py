"""An authority of our own and a certificate for 127.0.0.1, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files; `authority` has signed `certificate`, whose key is `key`."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, address: str = "127.0.0.1", days: int = 2,
                      authority: Certificates | None = None) -> Certificates:
    """By a new authority, or by that of other ones. With `days` 0 the certificate expires at once."""
    folder.mkdir(parents=True, exist_ok=True)
    signer = authority.authority if authority else folder / "authority.pem"
    made = Certificates(signer, folder / "server.pem", folder / "server.key")
    authority_key, request, extensions = signer.with_suffix(".key"), folder / "server.csr", folder / "extensions"
    extensions.write_text(f"subjectAltName=IP:{address}\n")

    def openssl(*words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    if authority is None:
        openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=millrace test authority", "-keyout",
                authority_key, "-out", made.authority)
    openssl("req", *new_key, "-subj", "/CN=millrace test server", "-keyout", made.key, "-out", request)
    openssl("x509", "-req", "-days", str(days), "-in", request, "-CA", made.authority, "-CAkey", authority_key,
            "-CAcreateserial", "-extfile", extensions, "-out", made.certificate)
    return made
