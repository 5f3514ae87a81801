"""The JSON schema of a campaign."""

from __future__ import annotations

import json

from workflow.campaign import Campaign


def schema_text() -> str:
    """The schema as JSON text; ``docs/campaign.schema.json`` is a copy of it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Campaign.model_json_schema(),
    }
    # Without a kind it is this machine: several members match then, and any will do.
    resources = schema["properties"]["resources"]
    resources["anyOf"] = resources.pop("oneOf")
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
