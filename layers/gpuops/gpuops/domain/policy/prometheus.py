"""What fleet.yaml may say about a Prometheus that has a cluster's GPU metrics."""

import re
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gpuops.domain.policy.parts import Part

URL = r"^https?://[A-Za-z0-9.\[\]:-]{1,253}(/[A-Za-z0-9._~-]{1,100}){0,8}/?$"
WORKSPACE = r"https://aps-workspaces(-fips)?\.{region}\.amazonaws\.com(\.cn)?/workspaces/ws-[0-9a-f-]{{36}}/?"
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
LabelText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
"""Nothing of PromQL's syntax: it stands in a query."""


class Prometheus(Part):
    """A Prometheus, or a workspace of Amazon Managed Service for Prometheus, that has the exporters' series."""

    url: Annotated[str, Field(pattern=URL, max_length=300)]
    """Without `/api/v1`: a server that the functions' subnets reach, such as `http://prometheus.internal:9090`, or a
    workspace's `https://aps-workspaces.<region>.amazonaws.com/workspaces/<id>`."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] | None = None
    """Of the workspace: questions are then signed (SigV4), and the stack needs `PrometheusWorkspaceArn`."""
    labels: Annotated[dict[LabelName, LabelText], Field(max_length=5)] = Field(default_factory=dict)
    """What the cluster's series bear where others write to the same place, such as `{cluster: demo}`; or one `job` of
    two that scrape the same exporters."""

    @model_validator(mode="after")
    def _where(self) -> Self:
        """Signatures go to AWS alone, and no question to the function itself or to where credentials are given out."""
        if self.region is not None and not re.fullmatch(WORKSPACE.format(region=re.escape(self.region)), self.url):
            raise ValueError(f"with region {self.region} the url must be that of a workspace of AWS there")
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or _is_local(host):
            raise ValueError(f"{host} is no place of a Prometheus for a function")
        return self


def _is_local(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:  # a name
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified
