from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.emulator import ACCOUNT_ID
from tests.local.conftest import REGION
from tests.support.local.programs import by_name
from tests.support.local.provisioning import SITE_TAGS, by_key, is_generated, outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_a_parameter_is_stored_encrypted_and_its_value_is_an_output(site: Monitor, client: Any) -> None:
    own = outputs(site, "user-key")
    name = own["name"]
    stored = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]

    assert is_generated(name, "user-key")
    assert by_name(site, "user-key").id == name
    assert own["arn"] == f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/{name}"
    assert (stored["Type"], stored["Value"], own["value"]) == ("SecureString", "a secret", "a secret")
    tags = client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    assert by_key(tags) == SITE_TAGS
