"""Judges a rehearsal from outside: it reads the cluster and the region through their APIs and shares no other code.

Neither the product nor the simulation's inside is imported here, so that a mistake in either cannot excuse itself.
"""

from rehearsal.observer.cluster import KubeAccess
from rehearsal.observer.model import Expectations, Observed, Violation, Wanted
from rehearsal.observer.observer import Observer
from rehearsal.observer.region import AwsAccess

__all__ = ["AwsAccess", "Expectations", "KubeAccess", "Observed", "Observer", "Violation", "Wanted"]
