"""Says when the scheduler watches the cluster: it tells a pod that there is no node for it.

Nodes that come before that are listed in an order of chance, and the first of equal ones gets the next pod.
"""

import time

from rehearsal.kube import KubeApi

PODS = "/api/v1/namespaces/default/pods"
NAME = "does-anybody-schedule"
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.02


def watched(kube: KubeApi) -> None:
    """Wait for it, in a cluster without nodes.

    Raises: TimeoutError.
    """
    path, deadline = f"{PODS}/{NAME}", time.monotonic() + PATIENCE_SECONDS
    kube.create(PODS, {"metadata": {"name": NAME}, "spec": {"containers": [{"name": "c", "image": "none"}]}})
    while not kube.get(path)["status"].get("conditions"):
        if time.monotonic() > deadline:
            raise TimeoutError("no scheduler looks at pods")
        time.sleep(LOOK_SECONDS)
    kube.delete(path, grace_seconds=0)
