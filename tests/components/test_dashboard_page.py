"""`DashboardPage`: each file of the page as an object that a browser can use, and what it reads first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pulumi
import pytest

from components import DashboardPage, DashboardPageArgs, DashboardSignInArgs, dashboard_page
from tests.support.components.examples import AUDIENCE, BUCKET_NAME, ISSUER, WEBSOCKET_URL
from tests.support.components.harness import Recording, refusal, run

if TYPE_CHECKING:
    from collections.abc import Callable

SIGN_IN: DashboardSignInArgs = {"issuer": ISSUER, "client_id": AUDIENCE}
ARGS: DashboardPageArgs = {
    "bucket_name": BUCKET_NAME,
    "websocket_url": WEBSOCKET_URL,
    "sign_in": SIGN_IN,
}
ROOT = Path(__file__).resolve().parents[2]
LONGEST_NAME = "p" * 55


def page(**args: Any) -> Callable[[], DashboardPage]:
    """A program whose page has these arguments instead of those of `ARGS`."""
    return lambda: DashboardPage("page", cast("DashboardPageArgs", {**ARGS, **args}))


def declare(**args: Any) -> Recording:
    return run(page(**args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    """The page that is deployed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard_page, "DASHBOARD", ROOT / "dashboard")
        return declare()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of one's own, of which there is an `index.html` so far."""
    monkeypatch.setattr(dashboard_page, "DASHBOARD", tmp_path)
    write(tmp_path, "index.html")
    return tmp_path


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"the content of {path}")


def objects(recording: Recording) -> dict[str, dict[str, Any]]:
    """The objects' inputs, by key."""
    return {one.inputs["key"]: one.inputs for one in recording.of_type("s3/bucketObjectv2:BucketObjectv2")}


def test_each_file_of_the_dashboard_is_an_object_and_so_is_the_configuration(recording: Recording) -> None:
    files = {
        path.relative_to(ROOT / "dashboard").as_posix()
        for path in (ROOT / "dashboard").rglob("*.*")
        if not path.name.endswith(".d.ts")
    }

    assert {"index.html", "app.js", "style.css", "icon.svg", "client/client.js", "vendor/oauth4webapi.js"} <= files
    assert set(objects(recording)) == files | {"config.json"}
    assert {one["bucket"] for one in objects(recording).values()} == {BUCKET_NAME}


def test_an_object_is_the_file_that_lies_beside_the_components(recording: Recording) -> None:
    assert all(
        Path(one["source"].path) == ROOT / "dashboard" / key
        for key, one in objects(recording).items()
        if key != "config.json"
    )
    assert all(
        isinstance(one.get("source"), pulumi.FileAsset) != ("content" in one) for one in objects(recording).values()
    )


def test_each_type_is_one_that_a_browser_takes(folder: Path) -> None:
    write(folder, "app.js", "style.css", "icon.svg", "vendor/library.LICENSE.md")

    assert {key: one["contentType"] for key, one in objects(declare()).items()} == {
        "index.html": "text/html; charset=utf-8",
        "app.js": "text/javascript; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "vendor/library.LICENSE.md": "text/plain; charset=utf-8",
        "config.json": "application/json",
    }


def test_a_browser_asks_each_time_whether_what_it_keeps_still_holds(recording: Recording) -> None:
    assert {one["cacheControl"] for one in objects(recording).values()} == {"no-cache"}


def test_the_page_is_told_where_to_connect_and_to_sign_in(recording: Recording) -> None:
    assert recording.json("page-config-json", "content") == {
        "websocket_url": WEBSOCKET_URL,
        "issuer": ISSUER,
        "client_id": AUDIENCE,
        "tenant_claim": "custom:tenant_id",
        "tenant_id_pattern": "t_[A-Za-z0-9_-]{1,64}",
    }


def test_the_page_is_told_what_to_ask_for_where_that_is_set() -> None:
    asked = {"scopes": ["openid", "tenants"], "prompt": "select_account"}

    told = declare(sign_in={**SIGN_IN, "tenant_id_pattern": "org_[a-z]+", **asked}).json("page-config-json", "content")
    assert told == {
        "websocket_url": WEBSOCKET_URL,
        "issuer": ISSUER,
        "client_id": AUDIENCE,
        "tenant_claim": "custom:tenant_id",
        "tenant_id_pattern": "org_[a-z]+",
        **asked,
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tenant_claim", "a b", "sign_in.tenant_claim: must be the name of a claim, or a JSON Pointer "),
        ("tenant_id_pattern", "t_.*", "sign_in.tenant_id_pattern: must be a regular expression of "),
        ("scopes", ["email"], "sign_in.scopes: must contain openid, got ['email']"),
        ("prompt", "none", "sign_in.prompt: must be login, consent, select_account, or several of these "),
    ],
)
def test_a_sign_in_that_cannot_work_is_refused(field: str, value: object, message: str) -> None:
    assert refusal(page(sign_in={**SIGN_IN, field: value})).startswith(message)


def test_the_tenant_may_stand_in_another_claim() -> None:
    assert (
        declare(sign_in={**SIGN_IN, "tenant_claim": "groups"}).json("page-config-json", "content")["tenant_claim"]
        == "groups"
    )


def test_what_aws_makes_up_may_be_known_later() -> None:
    later = pulumi.Output.from_input
    recording = run(
        lambda: DashboardPage(
            "page",
            {
                "bucket_name": later(BUCKET_NAME),
                "websocket_url": later("ws://127.0.0.1:4566/live"),
                "sign_in": {"issuer": later(ISSUER), "client_id": later(AUDIENCE)},
            },
        )
    )

    assert recording.json("page-config-json", "content")["websocket_url"] == "ws://127.0.0.1:4566/live"


def test_in_a_preview_all_but_the_configuration_is_known(folder: Path) -> None:
    write(folder, "app.js")
    preview = run(
        lambda: DashboardPage("page", {**ARGS, "websocket_url": pulumi.Output.from_input(WEBSOCKET_URL)}),
        preview=True,
    )

    assert set(objects(preview)) == {"index.html", "app.js", "config.json"}


def test_names_say_the_path_with_hyphens(folder: Path) -> None:
    write(folder, "vendor/library.js")

    assert declare().children("page") == {
        ("s3/bucketObjectv2:BucketObjectv2", "page-index-html"),
        ("s3/bucketObjectv2:BucketObjectv2", "page-vendor-library-js"),
        ("s3/bucketObjectv2:BucketObjectv2", "page-config-json"),
    }


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["vendor/a.js", "vendor-a.js"],
            "vendor-a.js and vendor/a.js: must have different resource names, got 'vendor-a-js'",
        ),
        (
            ["config.json.js", "config-json.js"],
            "config-json.js and config.json.js: must have different resource names, got 'config-json-js'",
        ),
    ],
)
def test_two_files_that_would_be_called_the_same_are_refused(folder: Path, paths: list[str], message: str) -> None:
    write(folder, *paths)

    assert refusal(page()) == f"dashboard files: {message}"


@pytest.mark.parametrize(
    ("path", "suffix"), [("photo.heic", ".heic"), ("vendor/LICENSE", ""), ("config.json", ".json")]
)
def test_a_file_of_an_unknown_type_is_refused(folder: Path, path: str, suffix: str) -> None:
    write(folder, path)

    assert refusal(page()) == (
        f"dashboard files: suffix of {path}: must be one of .css, .html, .js, .md, .svg, got {suffix!r}"
    )


def test_what_an_editor_or_a_system_leaves_there_is_no_file_of_the_page(folder: Path) -> None:
    write(folder, ".DS_Store", ".idea/workspace.js", "vendor/.hidden.js")

    assert set(objects(declare())) == {"index.html", "config.json"}


def test_type_declarations_are_not_uploaded(folder: Path) -> None:
    write(folder, "vendor/library.js", "vendor/library.d.ts")

    assert set(objects(declare())) == {"index.html", "vendor/library.js", "config.json"}


def test_readmes_are_uploaded_as_text_that_a_browser_shows(recording: Recording) -> None:
    uploaded = objects(recording)

    assert {uploaded[key]["contentType"] for key in ("client/README.md", "vendor/README.md")} == {
        "text/plain; charset=utf-8"
    }


def test_a_page_without_its_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_page, "DASHBOARD", tmp_path / "none")

    assert refusal(page()) == f"dashboard files: {tmp_path / 'none'} must contain index.html"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("websocket_url", "ws://gateway.example.com/live"),
        ("websocket_url", "https://gateway.example.com/live"),
        ("websocket_url", "wss://gateway.example.com/live#here"),
        ("sign_in.issuer", "login.example.com"),
        ("sign_in.issuer", "javascript:alert(1)"),
    ],
)
def test_an_address_that_the_page_could_not_use_is_refused(field: str, value: str) -> None:
    wrong = {"sign_in": {**SIGN_IN, "issuer": value}} if "." in field else {field: value}
    message = refusal(page(**wrong))

    assert message.startswith(f"{field}: must be ")
    assert message.endswith(f", got {value!r}")


def test_an_address_that_turns_out_to_be_of_no_use_makes_no_configuration() -> None:
    later = pulumi.Output.from_input
    with pytest.raises(ValueError, match=r"^websocket_url: must be a wss URL, .*, got 'ws://gateway\.example\.com'$"):
        run(lambda: DashboardPage("page", {**ARGS, "websocket_url": later("ws://gateway.example.com")}))


def test_an_object_has_at_most_ten_tags() -> None:
    tags = {f"Tag{number}": "value" for number in range(10)}

    assert objects(declare(tags=tags))["config.json"]["tags"] == tags
    message = refusal(page(tags={**tags, "One": "more"}))
    assert message.startswith("tags: must have at most 10 entries, the limit of an S3 object, got {")


@pytest.mark.parametrize("name", ["my_page", "", f"{LONGEST_NAME}p"])
def test_a_name_that_would_make_no_site_is_refused(name: str) -> None:
    assert refusal(lambda: DashboardPage(name, ARGS)).startswith("name: must be ")


def test_registers_the_keys_of_its_objects(recording: Recording) -> None:
    files = set(objects(recording)) - {"config.json"}

    assert recording.registered("page") == {"object_keys": [*sorted(files), "config.json"]}
