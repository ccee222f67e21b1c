"""The raw Kubernetes client and the mirror, against the real apiserver.

Covers: reads, writes and their errors, patches of each kind, watches that continue, start anew after 410 Gone and
end with `close`, and a mirror that notices what vanished while it was not looking.
"""

from collections.abc import Iterator
from threading import Thread, Timer
from time import sleep

import pytest

from rehearsal.control_plane import ControlPlane, find_or_build, scratch_directory
from rehearsal.kube import Change, Json, KubeApi, KubeError
from rehearsal.rest import Mirror, Seen
from tests.rehearsal.rest_cluster import Still

pytestmark = pytest.mark.cluster
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One control plane for the module."""
    with ControlPlane(scratch_directory(), find_or_build(), lambda _token: None) as made:
        yield made


@pytest.fixture
def kube(plane: ControlPlane) -> Iterator[KubeApi]:
    """An administrator's client."""
    made = KubeApi(plane.server, str(plane.ca_file), plane.admin_token)
    yield made
    made.close()


def configmap(name: str, **data: str) -> Json:
    """The smallest of objects."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_an_object_is_created_changed_found_and_deleted(kube: KubeApi) -> None:
    """One of each verb; the patches merge, edit and take over."""
    path = f"{MAPS}/verbs"
    uid = kube.create(MAPS, configmap("verbs", a="1"))["metadata"]["uid"]
    kube.patch(path, {"data": {"b": "2"}})
    kube.patch(path, [{"op": "remove", "path": "/data/a"}], "json")
    kube.apply(path, configmap("verbs", c="3"))

    assert kube.get(path)["data"] == {"b": "2", "c": "3"}
    assert [item["metadata"]["name"] for item in kube.list(MAPS, fieldSelector="metadata.name=verbs")] == ["verbs"]
    kube.delete(path, uid=uid)
    assert kube.find(path) is None


def test_writes_are_told_and_reads_are_not(plane: ControlPlane) -> None:
    """The clock must settle after each write, and only then."""
    writes: list[None] = []
    kube = KubeApi(plane.server, str(plane.ca_file), plane.admin_token, wrote=lambda: writes.append(None))

    kube.create(MAPS, configmap("told"))
    kube.get(f"{MAPS}/told")
    with pytest.raises(KubeError):
        kube.create(MAPS, configmap("told"))

    assert len(writes) == 1


def test_an_error_keeps_the_status_and_the_apiservers_words(kube: KubeApi) -> None:
    """Somebody will read this in a report."""
    with pytest.raises(KubeError, match='configmaps "none" not found') as caught:
        kube.get(f"{MAPS}/none")
    assert caught.value.status == 404


def test_an_apiserver_that_is_not_there_is_status_0(plane: ControlPlane) -> None:
    """Nobody answered: no HTTP status could say so."""
    with pytest.raises(KubeError) as caught:
        KubeApi("https://127.0.0.1:9", str(plane.ca_file), "").get("/readyz")
    assert caught.value.status == 0


def test_a_watch_tells_the_list_then_each_change(kube: KubeApi) -> None:
    """In the order in which it happened."""
    kube.create(MAPS, configmap("early"))
    watch = kube.watch(MAPS, fieldSelector="metadata.name=early")

    listed = next(watch)
    kube.patch(f"{MAPS}/early", {"data": {"a": "1"}})
    kube.delete(f"{MAPS}/early")

    assert [item["metadata"]["name"] for item in listed.object["items"]] == ["early"]
    assert [next(watch).kind for _ in range(2)] == ["MODIFIED", "DELETED"]


def test_a_broken_watch_goes_on_where_it_was(kube: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the stream after a second; the change after that is not lost, and nothing is listed again."""
    monkeypatch.setattr("rehearsal.kube.WATCH_SECONDS", 1)
    watch = kube.watch(MAPS, fieldSelector="metadata.name=late")
    next(watch)
    Timer(2.5, kube.create, (MAPS, configmap("late"))).start()

    assert next(watch).kind == "ADDED"


class Forgetful(KubeApi):
    """An apiserver that has compacted away what two streams ask for: said within the first, instead of the second."""

    streams = 0

    def _stream(self, path: str, query: dict[str, str]) -> Iterator[Change]:
        self.streams += 1
        if self.streams == 1:
            yield Change("ERROR", {"code": 410})
        elif self.streams == 2:
            raise KubeError(410, "too old resource version")
        else:
            yield from super()._stream(path, query)


def test_a_version_that_is_gone_leads_to_a_new_list(plane: ControlPlane) -> None:
    """Both forms of 410 start anew."""
    watch = Forgetful(plane.server, str(plane.ca_file), plane.admin_token).watch(MAPS)

    assert [next(watch).kind for _ in range(3)] == ["LISTED"] * 3


def test_closing_ends_every_watch(kube: KubeApi) -> None:
    """The threads that read them come back."""
    reader = Thread(target=lambda: list(kube.watch(MAPS)))
    reader.start()
    sleep(0.3)

    kube.close()
    reader.join(5)

    assert not reader.is_alive()


def test_the_mirror_notices_what_vanished_between_two_lists(kube: KubeApi) -> None:
    """A deletion that no stream told is told from the list."""
    mirror, seen = Mirror(Still(), kube, {"map": MAPS}), list[Seen]()
    mirror.start()
    mirror.subscribe(seen.append)

    mirror._on("map", Change("LISTED", {"items": []}))

    assert seen
    assert all(event.after is None for event in seen)
    assert mirror.objects["map"] == {}
