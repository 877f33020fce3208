"""Upload of the dashboard's page to a bucket: its files and its configuration `config.json`.

Example:
    from components import DashboardPage, DashboardSite

    site = DashboardSite("dashboard", {})
    DashboardPage(
        "page",
        {
            "bucket_name": site.bucket_name,
            "websocket_url": "wss://abcdefghij.execute-api.us-east-1.amazonaws.com/live",
            "sign_in": {"issuer": "https://login.example.com", "client_id": "dashboards"},
        },
    )
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _oidc, _urls
from ._input_error import InputError
from ._naming import MAX_BUCKET_NAME, check_name
from ._tags import Tags

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
"""Folder of the page's files."""
CONFIG = "config.json"
"""Key of the object with the page's configuration."""
JSON = "application/json"

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",  # a browser displays `text/plain`, but it downloads `text/markdown`
    ".svg": "image/svg+xml",
}
"""Content type of a file by its suffix.

The module `mimetypes` is not used, because its results depend on the machine. A browser rejects a script that has the
wrong content type."""

CACHE_CONTROL = "no-cache"
"""Value of the header `Cache-Control`. A browser may store a file, but must ask before each use whether it has changed.

File names contain no hash of the content. Without this header, a browser could therefore combine stored files with
newer files of the next deployment."""

TYPE_DECLARATIONS = ".d.ts"
"""Suffix of TypeScript declarations. They are not uploaded, because only the type checker reads them."""

MAX_OBJECT_TAGS = 10
"""Maximum number of tags of an S3 object. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


class DashboardSignInArgs(TypedDict):
    """The OIDC client with which the dashboard's users sign in."""

    issuer: pulumi.Input[str]
    """The https URL of the OIDC issuer: the output `issuer` of a `TenantIdentity`."""
    client_id: pulumi.Input[str]
    """The id of the OIDC client at the issuer: the output `client_id` of a `TenantIdentity`. It is also the audience
    of the tokens."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The input `access.tenant_claim` of the `WebSocketGateway`. Default: `custom:tenant_id`."""
    tenant_id_pattern: NotRequired[pulumi.Input[str]]
    """The input `access.tenant_id_pattern` of the `WebSocketGateway`. Default: `t_[A-Za-z0-9_-]{1,64}`."""
    scopes: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """The scopes that the page asks for, among them `openid`. Default: `openid`, `profile` and `email`, and
    `offline_access` if the issuer's discovery document lists it."""
    prompt: NotRequired[pulumi.Input[str] | None]
    """The parameter `prompt` of each sign-in: `login`, `consent`, `select_account`, or several of these separated by a
    space. Default: none."""


class DashboardPageArgs(TypedDict):
    """The inputs of a `DashboardPage`."""

    bucket_name: pulumi.Input[str]
    """The name of the bucket for the files: the output `bucket_name` of a `DashboardSite`."""
    websocket_url: pulumi.Input[str]
    """The URL to which the page connects (`wss://…`): the output `websocket_url` of a `WebSocketGateway`."""
    sign_in: DashboardSignInArgs
    """The issuer and the client with which users sign in."""
    tags: NotRequired[Tags]
    """Tags of each object, at most 10. Default: none."""


class DashboardPage(pulumi.ComponentResource):
    """The files of the dashboard's page and its configuration `config.json`, as objects in a bucket.

    The files come from the folder `dashboard/` next to the folder `components/`. A deployment uploads only the files
    that have changed. A page that is open in a browser keeps its old files until the user reloads it.
    """

    object_keys: pulumi.Output[Sequence[str]]
    """The keys of the objects. This output is known after all objects have been uploaded."""

    def __init__(self, name: str, args: DashboardPageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # No AWS limit applies to this name, because S3 identifies an object by its key. Allow the same names as for a
        # `DashboardSite`.
        check_name(name, "", MAX_BUCKET_NAME)
        _checks.check_fields(args, DashboardPageArgs)
        content_types = list_page_files(DASHBOARD)
        suffixes = build_child_suffixes([*content_types, CONFIG])
        sign_in = args["sign_in"]
        _checks.check_fields(sign_in, DashboardSignInArgs, _checks.qualify("sign_in"))
        config = pulumi.Output.json_dumps(
            pulumi.Output.all(
                websocket_url=_urls.websocket_url("websocket_url", args["websocket_url"]), **_check_sign_in(sign_in)
            ).apply(_drop_empty)
        )
        tags = _check_object_tags(args.get("tags"))
        super().__init__("formbridge:index:DashboardPage", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        objects = [
            aws.s3.BucketObjectv2(
                f"{name}-{suffixes[key]}",
                bucket=args["bucket_name"],
                key=key,
                source=pulumi.FileAsset(str(DASHBOARD / key)),  # Pulumi compares assets by their content
                content_type=content_type,
                cache_control=CACHE_CONTROL,
                tags=tags,
                opts=child_options,
            )
            for key, content_type in content_types.items()
        ]
        objects.append(
            aws.s3.BucketObjectv2(
                f"{name}-{suffixes[CONFIG]}",
                bucket=args["bucket_name"],
                key=CONFIG,
                content=config,
                content_type=JSON,
                cache_control=CACHE_CONTROL,
                tags=tags,
                opts=child_options,
            )
        )
        self.object_keys = pulumi.Output.all(*(stored.key for stored in objects))
        self.register_outputs({"object_keys": self.object_keys})


def list_page_files(folder: Path) -> dict[str, str]:
    """Return the content type of each file to upload, by the path of the file in `folder`.

    The result is sorted by path. Type declarations are not uploaded. Files and folders whose names start with a dot are
    not uploaded either, because they belong to an editor or to the operating system.

    Raises:
        InputError: `folder` contains no `index.html`, or the suffix of a file is not in `CONTENT_TYPES`.
    """
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    paths = {
        name.as_posix(): path
        for name, path in found.items()
        if not any(part.startswith(".") for part in name.parts) and not name.name.endswith(TYPE_DECLARATIONS)
    }
    if "index.html" not in paths:
        raise InputError("dashboard files", f"{folder} must contain index.html")
    for key, path in paths.items():
        if path.suffix not in CONTENT_TYPES:
            suffixes = ", ".join(CONTENT_TYPES)
            raise InputError("dashboard files", f"suffix of {key}: must be one of {suffixes}, got {path.suffix!r}")
    return {key: CONTENT_TYPES[path.suffix] for key, path in sorted(paths.items())}


def build_child_suffixes(keys: Sequence[str]) -> dict[str, str]:
    """Return the end of the Pulumi resource name of each object, by the key of the object.

    It is the key with hyphens instead of dots and slashes: `index.html` becomes `index-html`.

    Raises:
        InputError: Two keys have the same suffix.
    """
    key_of: dict[str, str] = {}
    for key in keys:
        suffix = re.sub(r"[./]", "-", key)
        if suffix in key_of:
            raise InputError(
                "dashboard files", f"{key_of[suffix]} and {key}: must have different resource names, got {suffix!r}"
            )
        key_of[suffix] = key
    return {key: suffix for suffix, key in key_of.items()}


def _check_sign_in(sign_in: DashboardSignInArgs) -> dict[str, pulumi.Output[Any] | None]:
    """Return the fields of the configuration that the sign-in needs."""
    return {
        "issuer": _urls.issuer("sign_in.issuer", sign_in["issuer"]),
        "client_id": _checks.word("sign_in.client_id", sign_in["client_id"]),
        "tenant_claim": _oidc.tenant_claim(
            "sign_in.tenant_claim", sign_in.get("tenant_claim", _oidc.DEFAULT_TENANT_CLAIM)
        ),
        "tenant_id_pattern": _oidc.tenant_id_pattern(
            "sign_in.tenant_id_pattern", sign_in.get("tenant_id_pattern", _oidc.DEFAULT_TENANT_ID_PATTERN)
        ),
        "scopes": _oidc.scopes("sign_in.scopes", sign_in.get("scopes", [])),
        "prompt": _checks.check_optional(_oidc.prompt, "sign_in.prompt", sign_in.get("prompt")),
    }


def _drop_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value}


def _check_object_tags(tags: Tags | None) -> pulumi.Output[Mapping[str, pulumi.Input[str]]] | None:
    """Check the input `tags`: S3 allows at most `MAX_OBJECT_TAGS` tags per object."""

    def check(given: Mapping[str, pulumi.Input[str]]) -> Mapping[str, pulumi.Input[str]]:
        if len(given) > MAX_OBJECT_TAGS:
            raise InputError(
                "tags", f"must have at most {MAX_OBJECT_TAGS} entries, the limit of an S3 object, got {given!r}"
            )
        return given

    return None if tags is None else _checks.check_input(tags, check)
