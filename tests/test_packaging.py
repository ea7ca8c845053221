"""
Tests of what an installation brings: each installs a copy of the checkout, without a registry.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from twisted.python.modules import getModule
from twisted.trial.unittest import SynchronousTestCase

from tests.test_layers import imported_names

_CHECKOUT = Path(__file__).resolve().parent.parent
_PARTS = (
    "setup.cfg pyproject.toml MANIFEST.in README.md LICENSE CONTRIBUTING.md CHANGELOG.md "
    "etc scripts docs scepd twisted"
).split()
_UNTRACKED = shutil.ignore_patterns("__pycache__", "*.pyc", "dropin.cache", "keyring", "*.token")
_TWISTD = "from twisted.scripts.twistd import run; run()"


class _Installation:
    """
    A venv that sees this Python's other packages, with a copy of the checkout installed.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.copy = folder / "copy"
        _copy_checkout(self.copy)
        self.venv = folder / "venv"
        venv.create(self.venv, with_pip=False, symlinks=True)
        self.packages = next(self.venv.glob("lib/python*/site-packages"))
        # A path file of the parent's is not read again: its own editable scepd stays unseen.
        (self.packages / "parent.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        pip = [sys.executable, "-m", "pip", "--python", str(self.venv / "bin" / "python")]
        offline = "--quiet --no-deps --no-index --no-build-isolation --force-reinstall".split()
        _output([*pip, "install", *offline, *options, str(self.copy)])

    def run(self, program: str, *arguments: str) -> str:
        """
        What a program of the venv writes, run outside any checkout.
        """
        return _output([str(self.venv / "bin" / program), *arguments])

    def imported_from(self) -> Path:
        """
        The file of the scepd that its Python imports.
        """
        return Path(self.run("python", "-c", "import scepd; print(scepd.__file__)").strip())


def _copy_checkout(target: Path) -> None:
    target.mkdir()
    for name in _PARTS:
        part = _CHECKOUT / name
        if part.is_dir():
            shutil.copytree(part, target / name, ignore=_UNTRACKED)
        else:
            shutil.copy(part, target / name)


def _output(command: list[str]) -> str:
    # Trial gives its workers, and so their children, a PYTHONPATH.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd="/", env=clean, capture_output=True, text=True, timeout=100)
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


class PackagingTests(SynchronousTestCase):
    """
    Tests of ``pip install`` with and without ``-e``.
    """

    def install(self, *options: str) -> _Installation:
        """
        Install a copy of the checkout, for the time of one test.
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return _Installation(Path(folder.name).resolve(), *options)

    def check_programs(self, installation: _Installation) -> None:
        """
        Fail unless twistd knows scepd, and all commands explain themselves.
        """
        listed = installation.run("python", "-c", _TWISTD, "--help")
        self.assertRegex(listed, r"(?m)^ +scepd +SCEP proxy")
        explained = installation.run("python", "-c", _TWISTD, "scepd", "--help")
        self.assertIn("--check", explained)
        self.assertIn("certificate authorities", installation.run("scepctl", "--help"))
        self.assertIn("-csrverifierexec", installation.run("scepd-verify-csr", "--help"))

    def test_install(self) -> None:
        """
        ``pip install .`` brings every file of the package, the plugin, and nothing else.
        """
        installed = self.install()
        package = installed.packages / "scepd"
        self.assertEqual(installed.imported_from(), package / "__init__.py")
        self.assertEqual(_files(package), _files(installed.copy / "scepd"))
        self.assertLessEqual(
            {"py.typed", "sample/scepd.toml", "storage/migrations/env.py"}, _files(package)
        )
        self.assertEqual(_files(installed.packages / "twisted"), {"plugins/scepd_plugin.py"})
        top = {path.name for path in installed.packages.iterdir() if path.is_dir()}
        top -= {"__pycache__"}
        self.assertEqual({name.partition("-")[0] for name in top}, {"scepd", "twisted"})
        self.check_programs(installed)

    def test_install_editable(self) -> None:
        """
        ``pip install -e .`` takes package and plugin from the checkout itself.
        """
        installed = self.install("--editable")
        self.assertEqual(installed.imported_from(), installed.copy / "scepd" / "__init__.py")
        self.assertFalse((installed.packages / "scepd").exists())
        self.check_programs(installed)


class DependencyTests(SynchronousTestCase):
    """
    Tests of what is declared to be needed.
    """

    def test_all_imports_are_declared(self) -> None:
        """
        Every package that scepd imports is in install_requires, or in the extra of PostgreSQL: what
        the tests or another package happen to bring does not count.
        """
        declared = {
            _canonical(one.name)
            for one in map(Requirement, requires("scepd") or ())
            if one.marker is None or one.marker.evaluate({"extra": "postgresql"})
        }
        distributions = packages_distributions()
        missing = set()
        for module in getModule("scepd").walkModules():
            for name in imported_names(module.filePath.getContent()):
                top = name.split(".")[0]
                owners = {_canonical(owner) for owner in distributions.get(top, ())}
                if top not in {"scepd", *sys.stdlib_module_names} and not owners & declared:
                    missing.add(f"{module.name} -> {top}")
        self.assertEqual(missing, set())


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
