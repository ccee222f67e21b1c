"""`python -m rehearsal.control_plane`: what `make setup` calls to have the binaries before they are needed."""

from rehearsal.control_plane.binaries import find_or_build, say

say(f"control plane: {find_or_build()}")
