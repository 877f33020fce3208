"""Explicit AWS providers (`aws.Provider`). Their region must be the region of the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._names import generate_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_provider(_aws: Aws, resource: Resource) -> CreatedResource:
    return CreatedResource(generate_name(resource), {})


TYPES = {
    "pulumi:providers:aws": ResourceType(
        _create_provider,
        properties("region"),
        # These properties concern the access to AWS. The local run has its own credentials and its own endpoint.
        ignored=properties(
            *("accessKey", "secretKey", "token", "profile", "sharedConfigFiles", "sharedCredentialsFiles"),
            *("endpoints", "maxRetries", "allowedAccountIds", "s3UsePathStyle", "skipCredentialsValidation"),
            *("skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId", "version"),
        ),
    )
}
