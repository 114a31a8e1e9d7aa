"""Prompts of models that know a few words: each word counts, and one that a model does not know is an error (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import BadRequest

MAX_PROMPT = 2000
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`meanings`: word to what it stands for, of which a prompt names exactly one. `others`: words that say nothing
    beyond what the model always shows. `can`: what the model can do, for messages.
    """

    meanings: Mapping[str, str]
    others: frozenset[str]
    can: str

    def meaning(self, prompt: str) -> str:
        """Raises `BadRequest` (`prompt_not_possible`). It names words by their place: messages reach logs, and prompts
        must not.
        """
        words = [word.casefold() for word in _WORD.findall(prompt)]
        unknown = [
            str(place) for place, word in enumerate(words, 1) if word not in self.meanings and word not in self.others
        ]
        if unknown:
            few = ", ".join(unknown[:8])
            told = f"word {few} of it means" if len(unknown) == 1 else f"words {few} of it mean"
            raise self._refused(f"{told} nothing to this model")
        found = sorted({self.meanings[word] for word in words if word in self.meanings})
        if len(found) != 1:
            raise self._refused(f"it names {len(found)} of them" if found else "it names none of them")
        return found[0]

    def _refused(self, problem: str) -> BadRequest:
        return BadRequest(f"prompt: {problem}; {self.can}", code="prompt_not_possible")
