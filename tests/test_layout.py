"""The layout of the repository: tests mirror the sources, helpers stand apart, entry points are thin."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
PACKAGES = ("bench", "components", "docs", "handlers", "local", "policy", "tools")
WHOLE_SYSTEM = ("conformance", "convergence", "e2e", "engine", "faults")
"""Suites of the whole system. They mirror no module."""
MAX_ENTRY_POINT_LINES = 20

UNTESTED: dict[str, str] = {
    "bench/arithmetic.py": "tests/bench/test_scaling.py and test_cost.py check its numbers",
    "bench/attacker.py": "bench/attack.py runs it against the embedded run",
    "bench/certificates.py": "test_posting.py runs it",
    "bench/coalescing.py": "it measures on the embedded run, which takes minutes",
    "bench/connections_server.py": "test_posting.py runs it",
    "bench/latency.py": "it measures on the embedded run, which takes minutes",
    "bench/simulation.py": "tests/bench/test_scaling.py compares it with the arithmetic",
    "components/_formbridge.py": "it sets an import path that every component test uses",
    "components/_tags.py": "it is one type alias",
    "handlers/formbridge/__init__.py": "it sets the thresholds of the garbage collector",
    "handlers/formbridge/broadcast/wiring.py": "tests/handlers/test_broadcast.py and test_fanout.py run it",
    "handlers/formbridge/runtime/clock.py": "it reads the system's clock and decides nothing",
    "local/__init__.py": "it makes the handlers' package importable",
    "local/__main__.py": "tests/local/test_cli.py runs it as a process",
    "local/errors.py": "it is one exception class",
    "local/provisioners/_arguments.py": "the tests of all provisioners run it",
    "local/provisioners/_aws.py": "the tests of all provisioners run it",
    "local/provisioners/_resource_type.py": "the tests of all provisioners run it",
    "local/provisioners/lambda_.py": "tests/local/provisioners/test_lambda_.py: `lambda` is a keyword",
    "local/provisioners/provider.py": "tests/local/provisioners/test_init.py runs it",
    "local/resource.py": "it holds data classes without behaviour",
    "policy/rules/__init__.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/access.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/data.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/documents.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/failures.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/resources.py": "tests/policy/test_rules.py has a case for every rule",
    "policy/rules/transport.py": "tests/policy/test_rules.py has a case for every rule",
    "tools/api_gateway_log_role.py": "test_bootstrap.py and test_doctor_account.py run it",
    "tools/aws_account.py": "test_bootstrap.py runs it",
    "tools/aws_errors.py": "test_bootstrap.py runs it",
    "tools/bootstrap_change.py": "it is one data class",
    "tools/bootstrap_roles.py": "test_bootstrap.py runs it as the command does",
    "tools/bootstrap_settings.py": "test_bootstrap.py runs it as the command does",
    "tools/bootstrap_state.py": "test_bootstrap.py runs it as the command does",
    "tools/console.py": "the tests of all commands run it",
    "tools/doctor_check.py": "it is one data class, which test_doctor_issuer.py and test_doctor_token.py compare",
    "tools/doctor_rights.py": "test_doctor_account.py runs it as the command does",
    "tools/iam/document.py": "the tests of the roles run it",
    "tools/iam/named_resources.py": "tests/tools/iam/test_deploy_role.py runs it",
    "tools/iam/provider_actions.py": "tests/tools/iam/test_deploy_role.py runs it",
    "tools/iam/tagged_resources.py": "tests/tools/iam/test_deploy_role.py runs it",
    "tools/__init__.py": "it makes the handlers' package importable",
}
"""Modules without a test file of their name, with the reason."""


def modules() -> Iterator[Path]:
    """Yield the source modules, apart from those that only hold a docstring, imports and `__all__`."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ".venv" not in path.parts and not all(map(is_declaration, ast.parse(path.read_text()).body)):
                yield path


def is_declaration(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, an import or an assignment to `__all__`."""
    match statement:
        case ast.Expr(ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assign([ast.Name("__all__")]):
            return True
        case _:
            return False


def expected_test_file(module: Path) -> Path:
    """Return the path of a module's test file: the same folder below `tests`, without `formbridge` and underscores."""
    folders = [name for name in module.relative_to(ROOT).parts[:-1] if name != "formbridge"]
    return TESTS.joinpath(*folders, f"test_{module.stem.strip('_')}.py")


def test_every_module_has_a_test_file_of_its_name_or_a_reason() -> None:
    missing = {path.relative_to(ROOT).as_posix() for path in modules() if not expected_test_file(path).exists()}

    assert missing == set(UNTESTED)


def test_helpers_are_not_among_the_tests() -> None:
    others = [
        path.relative_to(ROOT).as_posix()
        for path in TESTS.rglob("*.py")
        if not path.is_relative_to(TESTS / "support")
        and not path.name.startswith("test_")
        and path.name not in ("conftest.py", "__init__.py")
    ]

    assert others == []


def test_no_test_is_among_the_helpers() -> None:
    assert [path.name for path in (TESTS / "support").rglob("test_*.py")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "handlers").glob("*.py")), ids=lambda path: path.stem)
def test_no_function_of_an_entry_point_is_long(path: Path) -> None:
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }

    assert "handler" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_ENTRY_POINT_LINES} == {}


class TestPureCore:
    """The import contract in `pyproject.toml`: every module of `formbridge` is in the core or among the adapters."""

    def contract(self) -> dict[str, Any]:
        """Return the contract of the pure core."""
        contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        (found,) = [one for one in contracts if one["name"].startswith("The pure core")]
        return found

    def test_every_module_is_in_the_core_or_among_the_adapters(self) -> None:
        contract = self.contract()
        core, adapters = contract["source_modules"], contract["forbidden_modules"]
        folder = ROOT / "handlers"
        for path in (folder / "formbridge").rglob("*.py"):
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            if path.name != "__init__.py":
                is_core = any(name == one or name.startswith(f"{one}.") for one in core)
                assert is_core != (name in adapters), name
