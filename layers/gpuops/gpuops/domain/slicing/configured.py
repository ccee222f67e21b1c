"""The shape that a key of the device plugin's ConfigMap makes, read from its text and not from its name."""

from gpuops.domain.errors import Refused
from gpuops.domain.plugin_config.check import check_plugin_config
from gpuops.domain.slicing.shape import Shape


def shape_of(text: str | None, key: str, title: str) -> Shape:
    """Return what the text of a ConfigMap's key comes to in the plugin.

    Raises: Refused when no node may be labelled with the key: a label that names no key crashes the plugin's sidecar
    (k8s-device-plugin, cmd/config-manager/main.go: an error, whatever its README says), a text that it does not take
    the plugin itself.
    """
    if text is None:
        raise Refused(f"no {title} with {key}")
    report = check_plugin_config(text)
    if not report.accepted_by_plugin or not report.replicas:
        why = next((f"line {problem.line}: {problem.reason}" for problem in report.problems), "no reason given")
        raise Refused(f"the device plugin would not take {key} of {title}: {why}")
    return Shape(report.replicas, report.resource)
