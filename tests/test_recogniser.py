"""One recogniser may serve many threads while its domains are trained, added, replaced, saved and removed."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cpner.backbone.bank import PrefixBank
from cpner.backbone.prefix import common_start
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.backbone.tagger import Tagger, write_tagger
from cpner.corpus import Corpus, Sentence
from cpner.corpus.sentence import Answer, Span
from cpner.errors import ConfigError, UnknownDomainError
from cpner.instructor import Instructor
from cpner.ner import CPNER
from cpner.recognition.joint import decode_and_tag
from cpner.training import TrainingConfig
from tests.support import SMALL, corpus

TEXTS = ["Johnson joined the Whigs in Baltimore.", "Ada Lovelace left for Rome", "Joseph met Joseph"]
TYPES = [["song"], ["person", "location"], ["party", "band", "city"]]
THREADS = 4
ROUNDS = 12


@pytest.fixture(autouse=True)
def eager_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def put(ner: CPNER, name: str, version: int) -> None:
    """Another version of a domain has another prefix, of another length, and other types."""
    config = PrefixConfig(2 + version, ATTENTIONS, start_seed=version, start_scale=3.0)
    prefix = common_start(ner.backbone.t5.shape, config)
    ner.add(name, prefix, TYPES[version], config=config)


def answers_of_versions(tiny: Any) -> list[list[Any]]:
    """What each version answers where nothing else goes on."""
    answers = []
    for version in range(len(TYPES)):
        ner = CPNER(tiny)
        put(ner, "d", version)
        answers.append(ner.predict(TEXTS, "d"))
    return answers


def run_beside(readers: list[Callable[[], None]], write: Callable[[], None]) -> None:
    """Read in threads, again and again, until all has been written; what any thread raises is raised."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def repeat(read: Callable[[], None]) -> None:
        try:
            read()
            while not stop.is_set():
                read()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(read,)) for read in readers]
    for thread in threads:
        thread.start()
    try:
        write()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def test_an_answer_is_that_of_one_version_while_domains_are_replaced_removed_and_saved(tiny, tmp_path: Path):
    versions = answers_of_versions(tiny)
    assert all(versions.count(answer) == 1 for answer in versions)
    ner = CPNER(tiny, tmp_path)
    for name in ("a", "b"):
        put(ner, name, 0)

    def read(name: str) -> None:
        try:
            answer = ner.predict(TEXTS, name)
        except UnknownDomainError as error:
            assert f"no domain {name!r}" in str(error)
        else:
            assert answer in versions

    def write() -> None:
        for turn in range(ROUNDS):
            put(ner, "a", turn % 3)
            ner.save()
            put(ner, "b", (turn + 1) % 3)
            ner.remove("a")
            ner.reload()

    run_beside([lambda name=name: read(name) for name in ("a", "b")] * (THREADS // 2), write)

    assert ner.domains == ["b"]


def test_more_domains_than_the_device_holds_keep_their_answers(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cpner.store.domains.ON_DEVICE", 2)
    monkeypatch.setattr("cpner.store.domains.IN_MEMORY", 3)
    versions = answers_of_versions(tiny)
    first = CPNER(tiny, tmp_path)
    for i in range(6):
        put(first, f"d{i}", i % 3)
    first.save()
    ner = CPNER(tiny, tmp_path)

    def read(start: int) -> None:
        for i in range(start, start + 6):
            assert ner.predict(TEXTS, f"d{i % 6}") == versions[i % 3]

    run_beside([lambda start=start: read(start) for start in range(THREADS)], ner.reload)


def test_domains_answer_as_ever_while_others_are_trained(tiny):
    versions = answers_of_versions(tiny)
    ner = CPNER(tiny)
    put(ner, "steady", 1)
    ner.warm_up("target", corpus(), TrainingConfig(epochs=1, min_steps=0), prefix=SMALL)
    before = ner.predict(TEXTS, "target")
    seen: list[Any] = []

    def read_steady() -> None:
        assert ner.predict(TEXTS, "steady") == versions[1]

    def read_target() -> None:
        seen.append(ner.predict(TEXTS, "target"))

    def write() -> None:
        config = TrainingConfig(epochs=2, min_steps=0, batch_sentences=2, seed=1)
        ner.transfer("target", [], corpus(), config, strategy="ensemble", members=3)

    run_beside([read_steady, read_target], write)

    after = ner.predict(TEXTS, "target")
    assert seen[0] == before
    assert all(answer in (before, after) for answer in seen)  # no member of the ensemble is ever to be seen


def test_training_beside_predictions_gives_what_it_gives_alone(tiny):
    config = TrainingConfig(epochs=2, min_steps=0, batch_sentences=2)
    alone = CPNER(tiny)
    alone.warm_up("new", corpus(), config, prefix=SMALL)
    ner = CPNER(tiny)
    put(ner, "steady", 0)

    run_beside(
        [lambda: ner.predict(TEXTS, "steady") and None] * 2,
        lambda: ner.warm_up("new", corpus(), config, prefix=SMALL) and None,
    )

    for kind, part in alone.prefix("new").parts.items():
        assert part.equal(ner.prefix("new").parts[kind])


def test_a_removed_domain_is_gone_from_memory_and_store(tiny, tmp_path: Path):
    ner = CPNER(tiny, tmp_path)
    put(ner, "stored", 0)
    ner.save()
    put(ner, "unsaved", 1)
    ner.predict(TEXTS, "stored")

    for name in ("stored", "unsaved"):
        ner.remove(name)

    assert ner.domains == CPNER(tiny, tmp_path).domains == []
    for call in (ner.card, ner.remove, ner.prefix, lambda name: ner.predict(TEXTS, name)):
        with pytest.raises(UnknownDomainError, match="no domain 'stored'"):
            call("stored")


SINGLE = "Johnson joined the Whigs. Ada Lovelace left for Rome. Joseph met Joseph."
PARTS = ["Johnson joined the Whigs.", "Ada Lovelace left for Rome.", "Joseph met Joseph."]


def learnt(tiny: Any, texts: list[str], dev: list[Sentence] | None = None) -> CPNER:
    """A recogniser with a domain that learnt from texts; few steps, far from the start so that it finds something."""
    ner = CPNER(tiny)
    sentences = [
        Sentence.from_text(text, [(text.index(name), text.index(name) + len(name), "person")])
        for text in texts
        for name in ("Joseph",)
    ]
    config = TrainingConfig(epochs=3, min_steps=0, lr=1.0, prior_sentences=0.0)
    ner.warm_up("d", Corpus.from_sentences(sentences, dev or ()), config, prefix=SMALL)
    return ner


def shifted(ner: CPNER) -> list[Any]:
    """The entities of each sentence alone, at their places in the whole text."""
    starts = [SINGLE.index(part) for part in PARTS]
    return [
        entity._replace(start=start + entity.start, end=start + entity.end)
        for start, found in zip(starts, ner.predict(PARTS, "d"), strict=True)
        for entity in found
    ]


def test_a_domain_that_learnt_single_sentences_is_asked_sentence_by_sentence(tiny):
    ner = learnt(tiny, ["Joseph left.", "Then Joseph met Ada."])

    assert ner.card("d").by_sentence
    found = ner.predict(SINGLE, "d")
    assert [entity[:4] for entity in found] == [entity[:4] for entity in shifted(ner)] != []
    assert found == ner.predict(SINGLE, "d", by_sentence=True)
    assert found != ner.predict(SINGLE, "d", by_sentence=False)


def test_a_domain_that_learnt_longer_texts_reads_them_whole(tiny):
    ner = learnt(tiny, ["Joseph left. Ada came.", "Rome fell. Then Joseph met Ada."])

    assert not ner.card("d").by_sentence
    assert ner.predict(SINGLE, "d") == ner.predict(SINGLE, "d", by_sentence=False)
    assert ner.predict(SINGLE, "d", by_sentence=True) == learnt_answers(ner)


def learnt_answers(ner: CPNER) -> list[Any]:
    """What a recogniser says of the text when it reads the sentences as texts of their own."""
    return [entity._replace(score=pytest.approx(entity.score, abs=1e-3)) for entity in shifted(ner)]


@pytest.mark.parametrize("by_sentence", [None, False, True])
def test_evaluation_sees_what_predict_answers(tiny, by_sentence):
    ner = learnt(tiny, ["Joseph left.", "Then Joseph met Ada."])
    found = ner.predict(SINGLE, "d", by_sentence=by_sentence)
    gold = Sentence.from_text(SINGLE, [entity[:3] for entity in found])

    evaluation = ner.evaluate(Corpus.from_sentences(test=[gold]), "d", by_sentence=by_sentence)

    assert evaluation.f1 == 100


def test_training_looks_at_the_dev_split_as_evaluation_does(tiny):
    marks = [(SINGLE.index(name), SINGLE.index(name) + len(name), "person") for name in ("Johnson", "Joseph", "Rome")]
    dev = Sentence.from_text(SINGLE, marks)

    ner = learnt(tiny, ["Joseph left.", "Then Joseph met Ada."], [dev])

    assert ner.card("d").metrics["dev_f1"] == ner.evaluate(Corpus.from_sentences(dev=[dev]), "d", "dev").f1 > 0


def test_types_that_fill_the_window_are_told(tiny):
    types = [f"{first} {second} {third}" for first in "abcdefg" for second in "abcdefg" for third in "abcdefg"]

    with pytest.warns(UserWarning, match="343 types take .* pieces of the window of 512"):
        CPNER(tiny).predict("Ada left.", types=types)


def test_a_path_in_the_place_of_a_corpus_is_refused(tiny):
    ner = learnt(tiny, ["Joseph left."])
    path: Any = "data/news"

    for use in (
        lambda: ner.warm_up("d", path),
        lambda: ner.fit("d", path),
        lambda: ner.transfer("d", [], path, strategy="none"),
        lambda: ner.self_train("d", ["Ada"], path),
        lambda: ner.evaluate(path, "d"),
    ):
        with pytest.raises(ConfigError, match="expected a Corpus, got 'data/news'"):
            use()


def test_tagger_beside_a_backbone_has_a_say_in_greedy_search(tiny_folder: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "tagged"))
    plain = CPNER.load(str(folder), device="cpu", precision="float32")
    write_tagger(Tagger(plain.backbone.shape.d_model), folder)
    tagged = CPNER.load(str(folder), device="cpu", precision="float32")
    for ner in (plain, tagged):
        put(ner, "x", 1)
    sentences = [Sentence.from_words(text.split()) for text in TEXTS]
    types = TYPES[1]
    prompt = Instructor(tagged.backbone.vocabulary, types)
    sources = [prompt.source(sentence) for sentence in sentences]

    found = tagged.recognise([*sentences, *sentences], [None] * 3 + ["x"] * 3, types=types, calibrated=False)

    assert spans(found[:3]) == spans(decode_and_tag(tagged.backbone, sources))
    bank = PrefixBank({"x": tagged.prefix("x")}, device="cpu", dtype=torch.float32)
    assert spans(found[3:]) == spans(decode_and_tag(tagged.backbone, sources, bank.rows(["x"] * 3)))
    beams = [spans(ner.recognise(sentences, "x", types=types, beams=2)) for ner in (plain, tagged)]
    assert beams[0] == beams[1]  # the decoder's alone


def spans(answers: list[Answer]) -> list[list[Span]]:
    return [[prediction.span for prediction in answer] for answer in answers]
