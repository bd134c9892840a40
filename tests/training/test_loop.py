"""Training moves the prefix and nothing else (Eq. 4), learns, keeps the best, and stops where it should."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cpner.backbone.bank import PrefixBank
from cpner.backbone.load import Backbone, digest
from cpner.backbone.prefix import Prefix, common_start, fingerprint
from cpner.backbone.reparameterisation import Reparameterisation
from cpner.backbone.shape import ATTENTIONS, PrefixConfig
from cpner.corpus.sentence import Sentence, Span
from cpner.errors import ConfigError, CorpusError, TrainingError
from cpner.evaluation import evaluate
from cpner.instructor import Instructor
from cpner.progress import Progress
from cpner.recognition.recognise import Task, recognise
from cpner.training import TrainingConfig, TrainingResult, train_prefix
from cpner.training.batch import Batch
from cpner.training.examples import Examples
from cpner.training.loss import cross_entropy
from tests.support import SENTENCES, SMALL, TYPES, long_sentence

QUICK = TrainingConfig(epochs=4, min_steps=0, lr=0.01, batch_sentences=2)


def train(tiny: Backbone, config: TrainingConfig = QUICK, dev: list[Sentence] | None = None, **kwargs: Any):
    prefix = kwargs.pop("prefix", SMALL)
    reparameterisation = Reparameterisation(tiny.t5.shape, prefix)
    return train_prefix(tiny, reparameterisation, SENTENCES, SENTENCES if dev is None else dev, TYPES, config, **kwargs)


def batch_loss(tiny: Backbone, batch: Batch, prefix: Prefix) -> Tensor:
    """Eq. 4 with one prefix for all rows."""
    return cross_entropy(tiny.t5, batch, prefix.expand(len(batch.source)))


def all_gradients(tiny: Backbone, config: TrainingConfig, prefix: Prefix) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one batch, and its gradient in each part of a prefix."""
    examples = Examples(tiny, SENTENCES, TYPES, config)
    parts = {name: part.clone().requires_grad_() for name, part in prefix.parts.items()}
    loss = batch_loss(tiny, examples.batch(0, examples.epoch(0)[0]), Prefix(**parts))
    loss.backward()
    return loss, {name: part.grad for name, part in parts.items() if part.grad is not None}


def test_only_the_matrix_and_its_network_move_and_the_backbone_stays(tiny):
    before = digest(tiny.t5)
    reparameterisation = Reparameterisation(tiny.t5.shape, SMALL)
    start = {name: tensor.clone() for name, tensor in reparameterisation.state_dict().items()}

    train_prefix(tiny, reparameterisation, SENTENCES, [], TYPES, QUICK)

    state = reparameterisation.state_dict()
    parameters = {
        f"{kind}_{name}"
        for kind in ("encoder", "decoder", "cross")
        for name in ("matrix", "network.0.weight", "network.0.bias", "network.2.weight", "network.2.bias")
    }
    assert {name for name, _ in reparameterisation.named_parameters()} == parameters
    assert {name for name, tensor in state.items() if not torch.equal(tensor, start[name])} == parameters
    assert digest(tiny.t5) == before
    assert not any(p.requires_grad or p.grad is not None for p in tiny.t5.parameters())


def test_direct_trains_the_prefix_itself(tiny):
    result = train(tiny, prefix=PrefixConfig(3, ATTENTIONS), dev=[])

    changed = {name for name in ("encoder", "decoder", "cross") if result.reparameterisation[f"{name}_matrix"].any()}
    assert changed == {"encoder", "decoder", "cross"}


def test_the_baked_prefix_is_what_the_reparameterisation_yields(tiny):
    result = train(tiny)
    reparameterisation = Reparameterisation(tiny.t5.shape, SMALL)
    reparameterisation.load_state_dict(result.reparameterisation)

    assert fingerprint(reparameterisation.forward()) == fingerprint(result.prefix)
    assert fingerprint(result.prefix) != fingerprint(common_start(tiny.t5.shape, SMALL))


@pytest.mark.parametrize("softmax", ["candidates", "vocabulary"])
def test_the_loss_is_the_mean_of_what_each_piece_costs(tiny, softmax):
    """Eq. 4 written out: one sentence, no padding, the target's pieces one by one."""
    config = TrainingConfig(softmax=softmax, batch_sentences=1, option_dropout=0.0)
    examples = Examples(tiny, SENTENCES[:1], TYPES, config)
    batch = examples.batch(0, examples.epoch(0)[0])
    prefix = common_start(tiny.t5.shape, SMALL)

    with torch.no_grad():
        loss = batch_loss(tiny, batch, prefix)
        rows = prefix.expand(1)
        hidden = tiny.t5.decode(batch.inputs, tiny.t5.encode(batch.source, batch.mask, rows), batch.mask, rows)[0]
    allowed = range(tiny.t5.shape.vocab_size) if batch.candidates is None else batch.candidates[0].tolist()
    costs = []
    for state, label in zip(hidden, batch.labels[0].tolist(), strict=True):
        logits = [float(state @ tiny.t5.output_weight[piece]) for piece in allowed]
        costs.append(math.log(sum(math.exp(x) for x in logits)) - logits[label])
    assert loss.item() == pytest.approx(sum(costs) / len(costs), rel=1e-4)


def test_padding_in_a_batch_costs_nothing_and_teaches_nothing(tiny):
    prefix = common_start(tiny.t5.shape, SMALL)
    together, gradient = all_gradients(tiny, TrainingConfig(batch_sentences=5), prefix)
    examples = Examples(tiny, SENTENCES, TYPES, TrainingConfig(batch_sentences=5))
    total, pieces = 0.0, 0
    parts = {name: part.clone().requires_grad_() for name, part in prefix.parts.items()}
    for row in examples.epoch(0)[0]:
        batch = examples.batch(0, examples.epoch(0)[0][examples.epoch(0)[0] == row])
        loss = batch_loss(tiny, batch, Prefix(**parts)) * batch.labels.numel()
        loss.backward()
        total, pieces = total + loss.item(), pieces + batch.labels.numel()

    assert together.item() == pytest.approx(total / pieces, rel=1e-5)
    for name, part in parts.items():
        torch.testing.assert_close(part.grad / pieces, gradient[name], atol=1e-6, rtol=1e-4)


def test_gradients_reach_every_layer_of_every_attention(tiny):
    _, gradients = all_gradients(tiny, TrainingConfig(), common_start(tiny.t5.shape, SMALL))

    for name, gradient in gradients.items():
        assert bool((gradient.flatten(1).norm(dim=1) > 0).all()), name


def test_checkpointing_keeps_less_and_gives_the_same_gradients(tiny):
    prefix = Prefix(**{name: part * 5 for name, part in common_start(tiny.t5.shape, SMALL).parts.items()})
    kept = {}
    found = {}
    try:
        for checkpointing in (False, True):
            tiny.t5.checkpointing = checkpointing
            sizes: list[int] = []
            with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.nbytes) or t, lambda t: t):  # noqa: B023
                found[checkpointing] = all_gradients(tiny, QUICK, prefix)
            kept[checkpointing] = sum(sizes)
    finally:
        tiny.t5.checkpointing = False

    (plain, gradients), (again, others) = found[False], found[True]
    assert torch.equal(plain, again) and gradients.keys() == others.keys()
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)
    assert kept[True] < 0.5 * kept[False]


def learn_by_heart(tiny: Backbone, prior_sentences: float) -> TrainingResult:
    prefix = PrefixConfig(10, ATTENTIONS, start_scale=0.1)
    config = TrainingConfig(
        **dict(epochs=60, min_steps=0, lr=0.5, clip=10.0, eval_every=20, shuffle_options=False),
        **dict(dropout=0.0, option_dropout=0.0, mention_replacement=0.0, prior_sentences=prior_sentences),
    )
    return train_prefix(
        tiny, Reparameterisation(tiny.t5.shape, prefix), SENTENCES[:2], SENTENCES[:2], TYPES, config
    )  # fmt: skip


def test_the_loss_falls_and_the_tiny_model_learns_two_sentences_by_heart(tiny):
    """A random model can't learn to copy names in general, but its prefix can learn what to write here."""
    result = learn_by_heart(tiny, prior_sentences=0.0)

    assert result.curve[-1]["loss"] < 0.4 * result.curve[0]["loss"]
    assert result.best_f1 >= 80


def test_the_same_seed_gives_the_same_prefix_and_another_another(tiny):
    config = TrainingConfig(epochs=2, min_steps=0, lr=0.01, dropout=0.2)
    first, again, other = (train(tiny, TrainingConfig(**{**vars(config), "seed": seed})) for seed in (0, 0, 1))

    assert fingerprint(first.prefix) == fingerprint(again.prefix)
    assert fingerprint(first.prefix) != fingerprint(other.prefix)


def test_dropout_takes_other_parts_of_what_was_added_at_every_step_and_keeps_the_mean(tiny, monkeypatch):
    import cpner.training.loop as loop

    seen: list[Tensor] = []
    real = loop.cross_entropy
    monkeypatch.setattr(
        loop, "cross_entropy", lambda t5, batch, rows: seen.append(rows.decoder[0]) or real(t5, batch, rows)
    )
    trained = Reparameterisation(tiny.t5.shape, PrefixConfig(3, ATTENTIONS))
    for matrix in trained.parameters():
        torch.nn.init.ones_(matrix)  # what training added to the start, so far
    config = TrainingConfig(epochs=2, min_steps=0, lr=1e-30, batch_sentences=2, dropout=0.25)
    train_prefix(tiny, trained, SENTENCES, [], TYPES, config)

    added = [part - trained.decoder_start for part in seen]
    kept = [part > 0.5 for part in added]
    assert len(seen) == 6 and not any(torch.equal(a, b) for a, b in itertools.combinations(kept, 2))
    for part, mask in zip(added, kept, strict=True):
        torch.testing.assert_close(part, mask / 0.75)
        assert 0.6 < mask.float().mean() < 0.9


def test_the_best_look_is_kept(tiny, monkeypatch):
    scores = iter([10.0, 40.0, 40.0, 20.0])
    prefixes = []
    monkeypatch.setattr(
        "cpner.training.loop.recognise", lambda backbone, tasks, own: prefixes.append(own.get("")) or [[]] * 5
    )
    monkeypatch.setattr("cpner.training.loop.evaluate", lambda *_: type("Score", (), {"f1": next(scores)}))

    result = train(tiny, TrainingConfig(epochs=4, min_steps=0, lr=0.01, eval_every=1))

    assert (result.best_f1, result.best_epoch, result.epochs) == (40.0, 2, 4)
    assert fingerprint(result.prefix.to(torch.bfloat16)) == fingerprint(prefixes[1])
    assert [row["f1"] for row in result.curve] == [10.0, 40.0, 40.0, 20.0]


def test_training_stops_when_patience_ends(tiny, monkeypatch):
    scores = iter([10.0, 40.0, 40.0, 20.0, 30.0, 90.0])
    monkeypatch.setattr("cpner.training.loop.evaluate", lambda *_: type("Score", (), {"f1": next(scores)}))

    result = train(tiny, TrainingConfig(epochs=9, min_steps=0, lr=0.01, eval_every=1, patience=3))

    assert (result.best_f1, result.best_epoch, result.epochs) == (40.0, 2, 5)


def test_without_a_dev_split_all_epochs_are_trained_and_the_last_is_kept(tiny):
    result = train(tiny, dev=[])

    assert (result.best_f1, result.best_epoch, result.epochs) == (None, 4, 4)
    assert result.steps == 4 * 3
    assert all(row["f1"] is None for row in result.curve)


def test_few_sentences_get_as_many_steps_as_asked_for(tiny):
    result = train(tiny, TrainingConfig(epochs=1, min_steps=10, batch_sentences=2), dev=[])

    assert result.epochs == 4 and result.steps == 12


@pytest.mark.parametrize(("settings", "epochs"), [({"max_epochs": 3}, 3), ({"max_epochs": 1, "epochs": 2}, 2)])
def test_but_not_in_more_passes_than_that_may_take(tiny, settings, epochs):
    result = train(tiny, TrainingConfig(**{"epochs": 1, "min_steps": 10, "batch_sentences": 2, **settings}), dev=[])

    assert result.epochs == epochs


def matrices(result: TrainingResult) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in result.reparameterisation.items() if name.endswith("_matrix")}


@pytest.mark.parametrize(("copies", "share"), [(1, 4 / 9), (2, 4 / 14), (20, 4 / 104)])
def test_the_start_counts_as_much_as_some_sentences(tiny, copies, share):
    """As 4 beside 5, 10 and 100; matrices begin at zero."""
    config, train_on = TrainingConfig(epochs=1, min_steps=0, batch_sentences=8), SENTENCES * copies
    assert len(train_on) == 5 * copies

    whole, less = (
        train_prefix(
            tiny, Reparameterisation(tiny.t5.shape, PrefixConfig(3)), train_on, [], TYPES,
            replace(config, prior_sentences=prior_sentences),
        )
        for prior_sentences in (0.0, 4.0)
    )  # fmt: skip

    for name, matrix in matrices(whole).items():
        assert matrix.any()
        torch.testing.assert_close(matrices(less)[name], (1 - share) * matrix)


def test_dev_f1_is_of_the_prefix_that_is_given(tiny):
    """Were it of what training reached, or that given, they would differ: 100 and 57 here."""
    result = learn_by_heart(tiny, prior_sentences=4 / 3)

    tasks = [Task(sentence, Instructor(tiny.vocabulary, TYPES), "") for sentence in SENTENCES[:2]]
    prefixes = {"": result.prefix.to(torch.bfloat16)}
    bank = PrefixBank(prefixes, device=tiny.device, dtype=tiny.dtype)
    found = recognise(tiny, tasks, bank)
    assert evaluate(SENTENCES[:2], found, TYPES).f1 == result.best_f1 > 0


def test_progress_is_told_at_every_step(tiny):
    told: list[Progress] = []

    result = train(tiny, progress=told.append)

    assert len(told) == result.steps
    assert [p.done for p in told] == sorted(p.done for p in told) and told[-1].done == told[-1].total
    assert told[-1].message.startswith("epoch 4 of 4, loss ")


def test_the_step_size_rises_in_a_line_and_falls_as_a_cosine(tiny):
    result: TrainingResult = train(tiny, TrainingConfig(epochs=20, min_steps=0, lr=0.01, lr_ramp_steps=4), dev=[])
    sizes = [row["lr"] for row in result.curve]

    assert sizes[:3] == sorted(sizes[:3]) and sizes[4:] == sorted(sizes[4:], reverse=True)
    assert max(sizes) <= 0.01 and sizes[-1] < 0.0005
    assert sizes[0] == pytest.approx(0.01 / 4)


@pytest.mark.parametrize(("prefix", "highest"), [(PrefixConfig(3), 0.2), (SMALL, 0.003)])
def test_a_prefix_itself_is_trained_in_larger_steps_than_a_network(tiny, prefix, highest):
    result = train(tiny, TrainingConfig(epochs=3, min_steps=0, lr_ramp_steps=0), prefix=prefix, dev=[])

    assert 0.9 * highest < result.curve[0]["lr"] <= highest


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_loss_that_is_no_number_ends_the_training_and_overwrites_nothing(tiny, tmp_path: Path, monkeypatch, dropout):
    import cpner.training.loop as loop

    config = TrainingConfig(epochs=3, min_steps=0, lr=0.01, batch_sentences=2, dropout=dropout, save_seconds=0)
    steps, real = [], loop.cross_entropy
    contents = {}

    def broken(*args: Any) -> Tensor:
        steps.append(1)
        if len(steps) == 5:
            contents.update({path: path.read_bytes() for path in tmp_path.iterdir()})
        return real(*args) * (math.nan if len(steps) == 5 else 1)

    monkeypatch.setattr(loop, "cross_entropy", broken)
    with pytest.raises(TrainingError, match=r"the loss is not a number in step 5: try a smaller lr than 0\.01"):
        train(tiny, config, run_dir=tmp_path)

    assert contents and {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_a_gradient_that_is_no_number_ends_the_training_too(tiny, monkeypatch):
    import cpner.training.loop as loop

    real = loop.cross_entropy
    monkeypatch.setattr(loop, "cross_entropy", lambda *args: real(*args).sub(real(*args).detach()).abs().sqrt())

    with pytest.raises(TrainingError, match="the gradient is not a number in step 1"):
        train(tiny)


@pytest.mark.parametrize("options", [True, False])
def test_a_text_beyond_the_window_is_learnt_from_and_looked_at(tiny, options):
    config = TrainingConfig(epochs=1, min_steps=0, options=options)
    reparameterisation = Reparameterisation(tiny.t5.shape, SMALL)

    result = train_prefix(tiny, reparameterisation, [long_sentence(20)], [long_sentence(20)], TYPES, config)

    assert result.steps == 1 and math.isfinite(result.curve[0]["loss"]) and result.best_f1 is not None


@pytest.mark.parametrize(
    ("types", "error", "match"),
    [
        ([], ConfigError, "at least one type"),
        ("person", ConfigError, "must be a list"),
        (["person", "person"], ConfigError, "each named once"),
        (["person"], ConfigError, "entities of type 'location', which is none of"),
        ([*TYPES, "a: b"], CorpusError, "can't name a type"),
    ],
)
def test_types_that_are_none_are_refused(tiny, types, error, match):
    with pytest.raises(error, match=match):
        train_prefix(tiny, Reparameterisation(tiny.t5.shape, SMALL), SENTENCES, [], types, QUICK)


def test_the_dev_split_is_thinned_evenly(tiny, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "cpner.training.loop.recognise", lambda b, tasks, own: sizes.append(len(tasks)) or [[]] * len(tasks)
    )
    dev = [Sentence.from_words(["Ada", str(i)], [Span(0, 1, "person")]) for i in range(7)]

    train(tiny, TrainingConfig(epochs=1, min_steps=0, eval_limit=3), dev=dev)
    train(tiny, TrainingConfig(epochs=1, min_steps=0, eval_limit=0), dev=dev)

    assert sizes == [3, 7]


def test_layers_are_computed_again_while_training_alone(tiny, monkeypatch):
    import cpner.training.loop as loop

    switched = []
    real = loop.cross_entropy
    monkeypatch.setattr(loop, "cross_entropy", lambda t5, *args: switched.append(t5.checkpointing) or real(t5, *args))

    train(tiny, replace(QUICK, checkpointing=True), dev=[])

    assert switched and all(switched) and not tiny.t5.checkpointing
