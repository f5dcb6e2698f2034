"""A classifier of sentences that is really trained: logistic regression on hashed words and pairs of words.

In: sentences with whether each is positive. Out: a model.tar.gz (``weights.npy``, ``config.json``), its accuracy on both
sets, and answers of the form that Hugging Face's container gives. It stands in for the BERT that its account says it is: what
is real is that it was trained on these sentences and answers from them.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import sparse

from sagekeeper.simulator.artefacts import packed, unpacked
from sagekeeper.simulator.boosted_trees import Trained

FILE, ABOUT = "weights.npy", "config.json"
WORD = re.compile(r"[a-z']+|[!?:;()]+")
BUCKETS = 2**15
STEPS, RATE, DECAY = 40, 0.1, 1e-4
"""Adam over all sentences at once: after 40 steps the accuracy on sentences that it was not shown rises no more."""
LABELS = ("NEGATIVE", "POSITIVE")


@dataclass(frozen=True)
class Words:
    """A trained model."""

    weights: np.ndarray

    def scores(self, sentences: list[str]) -> np.ndarray:
        """The probability that each sentence is positive."""
        margin = _matrix(sentences) @ self.weights[:-1] + self.weights[-1]
        return np.asarray(1 / (1 + np.exp(-margin)))

    def answers(self, sentences: list[str]) -> list[tuple[str, float]]:
        """Label and its probability, one a sentence."""
        return [(LABELS[int(score > 0.5)], round(float(max(score, 1 - score)), 6)) for score in self.scores(sentences)]


def trained(train: list[tuple[str, bool]], held_out: list[tuple[str, bool]]) -> Trained:
    """Train on the first, and say how often it is right on both."""
    sentences = _matrix([text for text, _ in train])
    turned, side = sentences.T.tocsr(), np.array([1.0 if positive else -1.0 for _, positive in train])
    weights, bias = np.zeros(BUCKETS), 0.0
    mean, square = np.zeros(BUCKETS), np.zeros(BUCKETS)
    for step in range(1, STEPS + 1):
        pull = -side / (1 + np.exp(side * (sentences @ weights + bias)))
        slope = turned @ pull / len(side) + DECAY * weights
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        weights = weights - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-6)
        bias -= 0.5 * float(pull.mean())
    model = Words(np.append(weights, bias).astype(np.float32))
    buffer = io.BytesIO()
    np.save(buffer, model.weights)
    about = {"architectures": ["logistic regression on hashed words"], "buckets": BUCKETS, "labels": LABELS}
    artefact = packed({FILE: buffer.getvalue(), ABOUT: json.dumps(about).encode()})
    return Trained(artefact, {"train:accuracy": _right(model, train), "eval:accuracy": _right(model, held_out)})


@lru_cache(maxsize=16)
def loaded(artefact: bytes) -> Words | None:
    """The model of a model.tar.gz; None where there is none of these in it."""
    files = unpacked(artefact) or {}
    return Words(np.load(io.BytesIO(files[FILE]), allow_pickle=False)) if FILE in files else None


def _right(model: Words, told: list[tuple[str, bool]]) -> float:
    found = model.scores([text for text, _ in told]) > 0.5
    return round(float(np.mean(found == np.array([positive for _, positive in told]))), 6)


def _matrix(sentences: list[str]) -> sparse.csr_matrix:
    """Which words and pairs of words each sentence has, by their hash."""
    places: list[int] = []
    ends = [0]
    for sentence in sentences:
        words = WORD.findall(sentence.lower())
        pairs = [f"{one} {two}" for one, two in pairwise(words)]
        places += sorted({zlib.crc32(word.encode()) % BUCKETS for word in [*words, *pairs]})
        ends.append(len(places))
    shape = (len(sentences), BUCKETS)
    return sparse.csr_matrix((np.ones(len(places)), np.array(places, dtype=int), np.array(ends)), shape=shape)
