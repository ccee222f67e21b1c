"""What is left of a rehearsal when it is over: one page for a person, one JSON object for a program."""

from rehearsal.report.page import page
from rehearsal.report.result import ExecutionResult, Result

__all__ = ["ExecutionResult", "Result", "page"]
