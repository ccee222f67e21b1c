"""Reports in their bucket, one page for people and one object for programs."""

import os
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from gpuops.adapters.aws import client, code_of, error_of
from gpuops.domain.errors import Unavailable


class Reports:
    """Writes reports; a repetition overwrites the same two objects."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the bucket in REPORTS_BUCKET."""
        return cls(client("s3"), os.environ["REPORTS_BUCKET"])

    def write(self, key: str, content: str, content_type: str, *, keep: bool = False) -> None:
        """Put one object; with `keep`, only where none is. Raises: Unavailable, Refused, Invalid."""
        condition = {"IfNoneMatch": "*"} if keep else {}
        kind = f"{content_type}; charset=utf-8"
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content.encode(), ContentType=kind, **condition)
        except ClientError as error:
            if code_of(error) != "PreconditionFailed":
                raise error_of(error, f"write s3://{self._bucket}/{key}") from error
        except BotoCoreError as error:
            raise Unavailable(f"write s3://{self._bucket}/{key}: {error}") from error
