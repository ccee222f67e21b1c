"""What EKS refuses, by its own codes: the SDK and Step Functions name them to the caller."""

from moto.eks.exceptions import (
    EKSError,
    InvalidParameterException,
    InvalidRequestException,
    ResourceInUseException,
    ResourceNotFoundException,
)


def not_found(message: str, cluster: str | None = None, nodegroup: str | None = None) -> Exception:
    """There is no such cluster, node group or update."""
    return _error(ResourceNotFoundException, message, cluster, nodegroup)


def in_use(message: str, cluster: str, nodegroup: str) -> Exception:
    """Something else is being done to it."""
    return _error(ResourceInUseException, message, cluster, nodegroup)


def invalid(message: str, cluster: str, nodegroup: str) -> Exception:
    """A parameter cannot be meant like this."""
    return _error(InvalidParameterException, message, cluster, nodegroup)


def bad_request(message: str, cluster: str, nodegroup: str) -> Exception:
    """The parameters do not fit what is there."""
    return _error(InvalidRequestException, message, cluster, nodegroup)


def _error(kind: type[EKSError], message: str, cluster: str | None, nodegroup: str | None) -> Exception:
    names = {"clusterName": cluster, "nodegroupName": nodegroup, "fargateProfileName": None, "addonName": None}
    error: Exception = kind(**names, message=message)
    return error
