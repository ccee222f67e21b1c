"""Reports in their bucket, one page for people and one object for programs."""

import os
from typing import Any, Self

from gpuops.adapters.aws import client, translated


class Reports:
    """Writes reports; a repetition overwrites the same two objects."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the bucket in REPORTS_BUCKET."""
        return cls(client("s3"), os.environ["REPORTS_BUCKET"])

    def write(self, key: str, content: str, content_type: str) -> None:
        """Put one object. Raises: Unavailable, Refused, Invalid."""
        with translated(f"write s3://{self._bucket}/{key}"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=content.encode(), ContentType=f"{content_type}; charset=utf-8"
            )
