from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator import Emulator
from local.emulator_client import client as make_client
from local.errors import ProgramError
from local.provisioners import Provisioner
from tests.local.conftest import REGION
from tests.support.local.programs import by_name, run_program, write_program
from tests.support.local.provisioning import SITE_TAGS, by_key, outputs

if TYPE_CHECKING:
    from pathlib import Path

    from local.monitor import Monitor


def test_a_bucket_is_private_and_has_a_name_in_small_letters(site: Monitor, client: Any) -> None:
    own = outputs(site, "Site-bucket")
    bucket = own["bucket"]

    assert re.fullmatch("site-bucket-[0-9a-f]{7}", bucket)
    assert by_name(site, "Site-bucket").id == bucket
    assert (own["arn"], own["region"]) == (f"arn:aws:s3:::{bucket}", REGION)
    assert own["bucketRegionalDomainName"] == f"{bucket}.s3.{REGION}.amazonaws.com"
    assert by_key(client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]) == SITE_TAGS
    assert client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert client("s3").get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    assert client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
        }
    ]


def test_a_bucket_with_a_name_of_its_own(site: Monitor, client: Any) -> None:
    assert outputs(site, "named")["bucket"] == "a-name-of-its-own"
    assert client("s3").head_bucket(Bucket="a-name-of-its-own")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_bucket_in_another_region_is_made_there(tmp_path: Path) -> None:
    root = write_program(tmp_path / "program", "aws.s3.Bucket('bucket')", config="config: {'aws:region': eu-west-1}")
    with Emulator(tmp_path / "emulator", "eu-west-1") as emulator:
        provisioner = Provisioner(emulator, root)
        own = outputs(run_program(root, provisioner), "bucket")
        provisioner.close()
        found = make_client("s3", emulator)
        location = found.get_bucket_location(Bucket=own["bucket"])["LocationConstraint"]
        found.close()

    assert (own["region"], location) == ("eu-west-1", "eu-west-1")


def test_a_buckets_policy(site: Monitor, client: Any) -> None:
    bucket = outputs(site, "Site-bucket")["bucket"]
    (statement,) = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]

    assert statement["Condition"] == {"StringEquals": {"AWS:SourceArn": outputs(site, "distribution")["arn"]}}
    assert by_name(site, "bucket-policy").id == bucket


def test_objects_are_there_with_their_content_and_its_type(site: Monitor, client: Any) -> None:
    bucket = outputs(site, "Site-bucket")["bucket"]
    page = client("s3").get_object(Bucket=bucket, Key="index.html")
    config = client("s3").get_object(Bucket=bucket, Key="vendor/config.json")

    assert page["Body"].read() == b"<title>a page</title>"
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "no-cache")
    assert page["ETag"].strip('"') == outputs(site, "index")["etag"]
    assert by_key(client("s3").get_object_tagging(Bucket=bucket, Key="index.html")["TagSet"]) == SITE_TAGS
    assert json.loads(config["Body"].read()) == {"a": "ä"}
    assert config["ContentType"] == "application/json"
    assert by_name(site, "config").id == f"{bucket}/vendor/config.json"
    assert outputs(site, "config")["arn"] == f"arn:aws:s3:::{bucket}/vendor/config.json"


def test_a_file_that_is_not_there_is_named(emulator: Emulator, tmp_path: Path) -> None:
    source = "aws.s3.BucketObjectv2('o', bucket='b', key='k', source=pulumi.FileAsset('none.html'))"
    provisioner = Provisioner(emulator, tmp_path)
    with pytest.raises(ProgramError, match=r'^aws:s3/bucketObjectv2:BucketObjectv2 "o": asset none.html: no such file'):
        run_program(write_program(tmp_path, source), provisioner)
    provisioner.close()
