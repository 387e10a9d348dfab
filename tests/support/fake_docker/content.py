"""What an image of the double is made of: an index of manifests, as buildx writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256(text: str) -> str:
    """A digest."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def configuration(made_of: str) -> str:
    """What a manifest refers to, and buildx reads."""
    rootfs = {"type": "layers", "diff_ids": []}
    return json.dumps({"architecture": "arm64", "os": "linux", "config": {"Labels": {"of": made_of}}, "rootfs": rootfs})


def manifest(made_of: str) -> str:
    """One platform's image."""
    text = configuration(made_of)
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(text), "size": len(text)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})


def index(platforms: Iterable[str], made_of: str) -> str:
    """An image for these platforms, with the attestation that buildx adds."""
    entries = []
    for platform in platforms:
        os_name, architecture, *variant = platform.split("/")
        named = {"architecture": architecture, "os": os_name, **({"variant": variant[0]} if variant else {})}
        entries.append(_entry(manifest(f"{made_of} {platform}"), named))
    entries.append(_entry(manifest(f"{made_of} attestation"), {"architecture": "unknown", "os": "unknown"}))
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def _entry(text: str, platform: dict[str, str]) -> dict[str, object]:
    return {"mediaType": MANIFEST, "digest": sha256(text), "size": len(text), "platform": platform}
