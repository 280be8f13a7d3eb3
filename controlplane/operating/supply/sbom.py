"""A software bill of materials of the product, from its lock: CycloneDX 1.6, JSON.

https://cyclonedx.org/docs/1.6/json/. It holds no time and no random number: the same lock gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from controlplane import __version__
from controlplane.operating.supply.licences import Licensed, licences
from controlplane.operating.supply.locks import Pinned

_PRODUCT = f"controlplane@{__version__}"


def bill(packages: Iterable[Pinned]) -> dict[str, Any]:
    """Return the bill as JSON values.

    Args:
        packages: of the lock.
    """
    pinned = list(packages)
    components = [_component(entry, told) for entry, told in zip(pinned, licences(pinned), strict=True)]
    identity = "\n".join([_PRODUCT, *(component["purl"] for component in components)])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _PRODUCT,
                "name": "controlplane",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": _PRODUCT, "dependsOn": sorted(component["bom-ref"] for component in components)}],
    }


def _component(entry: Pinned, told: Licensed) -> dict[str, Any]:
    purl = f"pkg:pypi/{entry.name}@{entry.version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": entry.name,
        "version": entry.version,
        "purl": purl,
        # Of every file that the lock lets in; which one is installed depends on the machine.
        "properties": [{"name": "controlplane:sha256", "value": digest} for digest in entry.hashes],
    }
    if entry.marker:
        component["properties"].append({"name": "controlplane:marker", "value": entry.marker})
    if told.licence:
        component["licenses"] = (
            [{"expression": told.licence}] if told.allowed else [{"license": {"name": told.licence}}]
        )
    return component
