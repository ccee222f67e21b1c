"""PyYAML's tokens with libyaml's rules for tabs and colons, which goyaml v2 follows: PyYAML forbids what they allow.

A tab may separate key and value, or stand before a comment; inside `{}` a colon ends a key only before a blank.
"""

from yaml.error import Mark
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

BLANKS = " \t"
BREAKS = "\r\n\x85\u2028\u2029"
ENDS = f"\0{BLANKS}{BREAKS}"


class EventReader(Reader, Scanner, Parser):
    """The events of a text."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Go over blanks, comments and line breaks; tabs count as blanks where no key may begin."""
        while True:
            if self.column == 0 and self.peek() == "\ufeff":
                self.forward()
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in f"\0{BREAKS}":
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain(self) -> ScalarToken:
        """Read a plain scalar, tabs and all; its lines are folded."""
        start = end = self.get_mark()
        indent, text, gap = self.indent + 1, "", ""
        while self.peek() != "#" and not self._at_document_mark():
            length = self._plain_length()
            if not length:
                break
            text += gap + self.prefix(length)
            self.forward(length)
            self.allow_simple_key, end = False, self.get_mark()
            if self.peek() in ENDS[:1] or self.peek() not in ENDS:
                break
            gap = self._gap(indent, start)
            if not self.flow_level and self.column < indent:
                break
        return ScalarToken(text, plain=True, start_mark=start, end_mark=end)

    def _at_document_mark(self) -> bool:
        return self.column == 0 and self.prefix(3) in {"---", "..."} and self.peek(3) in ENDS

    def _plain_length(self) -> int:
        """Return how many characters follow before a blank or an indicator."""
        length = 0
        while (char := self.peek(length)) not in ENDS:
            if (char == ":" and self.peek(length + 1) in ENDS) or (self.flow_level and char in ",?[]{}"):
                break
            length += 1
        return length

    def _gap(self, indent: int, start: Mark | None) -> str:
        """Return what stands between two words of a plain scalar, lines folded."""
        blanks, breaks = "", ""
        while (char := self.peek()) in BLANKS + BREAKS:
            if char in BREAKS:
                breaks += self.scan_line_break()  # type: ignore[no-untyped-call]
                continue
            if breaks and char == "\t" and self.column < indent:
                problem = "found a tab character that violates indentation"
                raise ScannerError("while scanning a plain scalar", start, problem, self.get_mark())
            blanks += "" if breaks else char
            self.forward()
        if not breaks:
            return blanks
        self.allow_simple_key = True
        return breaks if breaks[0] != "\n" else breaks[1:] or " "
