"""Writing documents in the form that `controlplane.apply.loading` reads."""

from __future__ import annotations

import re
from typing import Any

import yaml

from controlplane.apply.loading import DATE

_WIDTH = 110
_TIME = re.compile("[0-9]{1,2}:[0-9]{2}")  # some of them would need no quotes, and some do
_BREAKS = re.compile("[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Safe YAML without anchors, lists indented below their key, dates bare as people write them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class asks per value
        """Write a value again where it comes again."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - overruled
        """Indent lists too."""
        super().increase_indent(flow, False)

    def text(self, value: str) -> yaml.ScalarNode:
        """Represent text."""
        tag = "tag:yaml.org,2002:timestamp" if DATE.fullmatch(value) else "tag:yaml.org,2002:str"
        style = "'" if _TIME.fullmatch(value) else None
        if _BREAKS.search(value):
            style = '"'  # in other styles these count as ends of lines, and come back as spaces
        return self.represent_scalar(tag, value, style=style)


_Dumper.add_representer(str, _Dumper.text)


def dump(value: Any) -> str:
    """Write a document: the innermost mappings and lists on one line, keys in the order given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=_WIDTH)
