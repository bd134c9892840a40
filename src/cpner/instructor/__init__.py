"""Source and target pieces, and the grammar that reads targets back (section 3.2, Eq. 1). Needs no torch."""

from cpner.instructor.instructor import INSTRUCTION, Instructor, Source
from cpner.instructor.vocabulary import Vocabulary

__all__ = ["INSTRUCTION", "Instructor", "Source", "Vocabulary"]
