from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_a_key_with_its_policy(site: Monitor, client: Any) -> None:
    kms, key = client("kms"), by_name(site, "key").id
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]

    assert outputs(site, "key")["keyId"] == key == metadata["KeyId"]
    assert outputs(site, "key")["arn"] == metadata["Arn"]
    assert metadata["Description"] == "Data"
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert policy["Statement"][0]["Action"] == "kms:Decrypt"
    assert by_name(site, "key-policy").id == key
