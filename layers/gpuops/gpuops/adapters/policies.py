"""The policy file in its versioned bucket: read once by a run, and by its version ever after.

A run that read the newest file at each step would change its rules in the middle.
"""

import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Policy, parse_policy


class Policies:
    """Reads versions of fleet.yaml."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the object in POLICY_BUCKET and POLICY_KEY."""
        return cls(client("s3"), os.environ["POLICY_BUCKET"], os.environ["POLICY_KEY"])

    def latest(self) -> Policy:
        """Return the newest policy. Raises: Invalid for a fault in it, or none there; Unavailable, Refused."""
        return self._read({})

    def at(self, version: str) -> Policy:
        """Return the policy as it was at the version. Raises: as `latest`."""
        return self._read({"VersionId": version})

    def _read(self, which: dict[str, str]) -> Policy:
        with translated(f"read policy s3://{self._bucket}/{self._key}"):
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, **which)
            content: bytes = answer["Body"].read()
        version = answer.get("VersionId")
        if not version:
            raise Invalid(f"the policy bucket {self._bucket} keeps no versions: a run could not record what it read")
        try:
            return parse_policy(content.decode(), version)
        except UnicodeDecodeError as error:
            raise Invalid(f"fleet.yaml: not UTF-8 text: {error}") from error
