"""How deep brackets stand in each other: PyYAML's scanner looks at every open one at each token.

20,000 of them in a file of 20 kB keep it busy for minutes, so that a wrong upload would end in a timeout, not in words.
"""

from itertools import accumulate

MAX_BRACKETS = 100
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def too_deep(text: str) -> bool:
    """Whether more brackets are open at one place than any file of ours needs; those in quotes and comments count."""
    return max(accumulate(_STEPS.get(letter, 0) for letter in text), default=0) > MAX_BRACKETS
