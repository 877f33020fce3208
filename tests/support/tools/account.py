"""An AWS account in memory: moto's, with answers to the calls that moto lacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import boto3

from tools.console import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import OperationModel

ACCOUNT: Final = "123456789012"
"""moto's account."""
READS: Final = ("Describe", "Get", "Head", "List", "Simulate")


class Refused(Exception):
    """An error of AWS, as the answer to a call."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code: Final = code


class Account:
    """The account. moto must be active."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[str, Mapping[str, Any]], Mapping[str, Any]]] = {
            "GetAccount": lambda region, _: (
                {"cloudwatchRoleArn": self.log_roles[region]} if region in self.log_roles else {}
            )
        }
        """Answers by the name of the call. A function gets the region and the parameters, and may raise `Refused`."""
        self.log_roles: dict[str, str] = {}
        """API Gateway's log role by region."""
        self.changes: list[str] = []
        """The names of the changing calls that were made."""
        self.interrupt_before: str | None = None
        """The changing call before which Ctrl-C is pressed, once."""

        self._clients: dict[tuple[str, str | None], Any] = {}

    def create_client(self, service: Any, region: str | None = None) -> Any:
        """Create a client in place of `tools.console.create_client`."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self._create_client(service, region)
        return self._clients[service, region]

    def _create_client(self, service: Any, region: str | None) -> Any:
        client = create_client(service, region)
        given: dict[str, Any] = {}

        def remember(params: dict[str, Any], **_: object) -> None:
            given.update(params=params)

        def answer(model: OperationModel, **_: object) -> tuple[SimpleNamespace, Mapping[str, Any]] | None:
            name = model.name
            if not name.startswith(READS):
                if name == self.interrupt_before:
                    self.interrupt_before = None
                    raise KeyboardInterrupt
                self.changes.append(name)
            if name not in self.answers:
                return None
            try:
                return SimpleNamespace(status_code=200), self.answers[name](client.meta.region_name, given["params"])
            except Refused as error:
                response = {"Error": {"Code": error.code, "Message": "refused"}, "ResponseMetadata": {}}
                return SimpleNamespace(status_code=400), response

        client.meta.events.register("provide-client-params.*.*", remember)
        client.meta.events.register("before-call.*.*", answer)
        return client


def look(service: Any, region: str = "eu-west-1") -> Any:
    """Create a client with which a test looks at the account."""
    return boto3.client(service, region_name=region)
