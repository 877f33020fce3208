"""The dashboard's page in a bucket: its files, and the configuration that it reads first."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._naming import MAX_BUCKET_NAME, check_name
from ._oidc import DEFAULT_TENANT_CLAIM
from ._tags import Tags

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
CONFIG = "config.json"
JSON = "application/json"

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",  # a licence: browsers show it, and would save `text/markdown`
    ".svg": "image/svg+xml",
}
"""By suffix. `mimetypes` would ask the machine, and a browser runs no script that comes as something else."""

CACHE_CONTROL = "no-cache"
"""A browser keeps a file and asks each time whether it still holds. No name carries a hash of its content, so one that
was kept for a while would meet the newer others of the next deployment."""

TYPE_DECLARATIONS = ".d.ts"
"""Suffix of files that only the type checker reads. They are not uploaded."""

MAX_OBJECT_TAGS = 10
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


class DashboardSignInArgs(TypedDict):
    """Where the people of a dashboard sign in."""

    issuer: pulumi.Input[str]
    """The OIDC issuer, as a `TenantIdentity` gives it."""
    client_id: pulumi.Input[str]
    """The page's client there, which is the audience of its tokens."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds the tenant's id, or a list of them. Default: `custom:tenant_id`."""


class DashboardPageArgs(TypedDict):
    """What a `DashboardPage` takes."""

    bucket_name: pulumi.Input[str]
    """The bucket that gets the page, as a `DashboardSite` gives it."""
    websocket_url: pulumi.Input[str]
    """The gateway that the page connects to (`wss://…`), as a `WebSocketGateway` gives it."""
    sign_in: DashboardSignInArgs
    """Where people sign in, each value perhaps an Output; `tenant_claim` is by default `custom:tenant_id`."""
    tags: NotRequired[Tags]
    """Tags of each object, at most 10. Default: none."""


class DashboardPage(pulumi.ComponentResource):
    """The files of the dashboard's page as objects of a bucket, and `config.json` beside them.

    The files are those of the folder `dashboard/` that lies beside this package; a deployment uploads those that
    changed, and a page that is open keeps what it has until it is loaded again.
    """

    object_keys: pulumi.Output[Sequence[str]]
    """The keys of its objects, once all are there."""

    def __init__(self, name: str, args: DashboardPageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # An object's name is its key, so that AWS limits no name here: what may be a site's may be its page's.
        check_name(name, "", MAX_BUCKET_NAME)
        _checks.fields(args, DashboardPageArgs)
        content_types = page_files(DASHBOARD)
        suffixes = child_suffixes([*content_types, CONFIG])
        sign_in = args["sign_in"]
        _checks.fields(sign_in, DashboardSignInArgs, _checks.below("sign_in"))
        config = pulumi.Output.json_dumps(
            {
                "websocket_url": _urls.websocket_url("websocket_url", args["websocket_url"]),
                "issuer": _urls.https_url("sign_in.issuer", sign_in["issuer"]),
                "client_id": _checks.word("sign_in.client_id", sign_in["client_id"]),
                "tenant_claim": _checks.word("sign_in.tenant_claim", sign_in.get("tenant_claim", DEFAULT_TENANT_CLAIM)),
            }
        )
        tags = _object_tags(args.get("tags"))
        super().__init__("formbridge:index:DashboardPage", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        objects = [
            aws.s3.BucketObjectv2(
                f"{name}-{suffixes[key]}",
                bucket=args["bucket_name"],
                key=key,
                source=pulumi.FileAsset(str(DASHBOARD / key)),  # Pulumi compares assets by their content
                content_type=content_type,
                cache_control=CACHE_CONTROL,
                tags=tags,
                opts=own,
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
                opts=own,
            )
        )
        self.object_keys = pulumi.Output.all(*(one.key for one in objects))
        self.register_outputs({"object_keys": self.object_keys})


def page_files(folder: Path) -> dict[str, str]:
    """Return the content type of each file to upload from `folder`, by its path in the folder, in sorted order.

    Type declarations are skipped, and files and folders whose name starts with a dot, which belong to an editor or the
    system.

    Raises:
        ValueError: There is no `index.html`, or the content type of a file is not known.
    """
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    paths = {
        name.as_posix(): path
        for name, path in found.items()
        if not any(part.startswith(".") for part in name.parts) and not name.name.endswith(TYPE_DECLARATIONS)
    }
    if "index.html" not in paths:
        raise ValueError(f"the dashboard's page: there is no index.html in {folder}")
    for key, path in paths.items():
        if path.suffix not in CONTENT_TYPES:
            raise ValueError(f"the dashboard's page: {key}: its suffix must be one of {', '.join(CONTENT_TYPES)}")
    return {key: CONTENT_TYPES[path.suffix] for key, path in sorted(paths.items())}


def child_suffixes(keys: Sequence[str]) -> dict[str, str]:
    """What each object's name adds to that of its page: the key, with hyphens for dots and slashes.

    Raises:
        ValueError: two keys make the same.
    """
    key_of: dict[str, str] = {}
    for key in keys:
        suffix = re.sub(r"[./]", "-", key)
        if suffix in key_of:
            raise ValueError(f"the dashboard's page: {key_of[suffix]} and {key} would both be called {suffix}")
        key_of[suffix] = key
    return {key: suffix for suffix, key in key_of.items()}


def _object_tags(tags: Tags | None) -> pulumi.Output[Mapping[str, pulumi.Input[str]]] | None:
    def check(given: Mapping[str, pulumi.Input[str]]) -> Mapping[str, pulumi.Input[str]]:
        if len(given) > MAX_OBJECT_TAGS:
            raise ValueError(f"tags: must be at most {MAX_OBJECT_TAGS}, which S3 takes on an object, got {given!r}")
        return given

    return None if tags is None else _checks.checked(tags, check)
