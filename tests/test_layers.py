"""
Tests for the import layers of scepd.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twisted.python.modules import getModule
from twisted.trial.unittest import SynchronousTestCase

_PURE = "errors pki"
_PROTOCOLS = f"{_PURE} plist scep mdm apns profiles osquery"
_CORE = f"{_PROTOCOLS} model ports metrics"
ALLOWED = {
    "errors": "",
    "garbage": "",
    "metrics": "",
    "logs": "",
    "pki": "errors",
    "plist": "errors",
    "scep": _PURE,
    "mdm": f"{_PURE} plist",
    "apns": _PURE,
    "profiles": f"{_PURE} plist",
    "osquery": "errors",
    "model": _PROTOCOLS,
    "config": f"{_PURE} profiles apns",
    "ports": f"{_PROTOCOLS} model",
    "storage": _CORE,
    "network": _CORE,
    "services": f"{_CORE} config",
    "web": f"{_CORE} config services",
    "simulator": f"{_PURE} plist scep mdm profiles osquery",
    "ctl": f"{_PURE} garbage apns model config simulator storage",
    "verify_csr": "",
    "tap": f"{_CORE} config garbage logs storage network services web",
}
SANS_IO = set("errors pki plist scep mdm apns profiles osquery model config".split())


def imported_names(source: bytes) -> Iterator[str]:
    """
    Yield the absolute dotted name of everything a module imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


class LayerTests(SynchronousTestCase):
    """
    Tests for who may import whom.
    """

    def test_no_back_arrows(self) -> None:
        """
        Every import inside scepd points down, and the sans-IO packages
        import nothing from Twisted.
        """
        wrong = []
        for module in getModule("scepd").walkModules():
            if module.name == "scepd":
                continue
            here = module.name.split(".")[1]
            for name in imported_names(module.filePath.getContent()):
                top, _, rest = name.partition(".")
                there = rest.split(".")[0]
                if (
                    (top == "scepd" and there not in {here, "__version__", *ALLOWED[here].split()})
                    or (top == "twisted" and here in SANS_IO)
                    or top == ""
                ):
                    wrong.append(f"{module.name} -> {name}")
        self.assertEqual(wrong, [])
