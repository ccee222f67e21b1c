"""What is started in one order and ended in the reverse one, also where starting it failed half-way."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Standing(ABC):
    """Up between `with` and its end."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @abstractmethod
    def _start(self) -> None:
        """Start every part, and leave on the stack how it is ended."""
