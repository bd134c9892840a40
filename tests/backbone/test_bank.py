from __future__ import annotations

import pytest
import torch

from cpner.backbone.bank import PrefixBank
from cpner.backbone.prefix import (
    Prefix,
)
from cpner.errors import PrefixMismatchError
from tests.support import mixed_bank, random_prefix, run_t5, same_prefix


@pytest.mark.parametrize("rows", [["a", "b", "c"], ["b", None, "a"], [None, "c", "c"]])
def test_bank_rows_equal_single_prefixes(tiny, batch, rows):
    prefixes, bank = mixed_bank(tiny.t5.shape)
    together = run_t5(tiny.t5, batch, bank.rows(rows))

    for i, name in enumerate(rows):
        alone = run_t5(tiny.t5, tuple(part[i : i + 1] for part in batch), name and prefixes[name].expand(1))
        length = int(batch[1][i].sum())
        torch.testing.assert_close(together[0][i, :length], alone[0][0, :length], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together[1][i], alone[1][0], atol=1e-5, rtol=1e-5)


def test_bank_needs_no_mask_for_prefixes_of_one_length(tiny):
    shape = tiny.t5.shape
    prefixes = {name: random_prefix(shape, 3, seed=i) for i, name in enumerate("ab")}
    rows = PrefixBank(prefixes, device="cpu", dtype=torch.float32).rows(["b", "a", "b"])

    assert rows is not None and rows.mask is None
    assert same_prefix(Prefix(*(part[0] for part in rows[:3])), prefixes["b"])
    assert same_prefix(Prefix(*(part[1] for part in rows[:3])), prefixes["a"])


def test_bank_has_no_rows_without_a_prefix(tiny):
    _, bank = mixed_bank(tiny.t5.shape)

    assert bank.rows([None, None]) is None
    assert PrefixBank({}, device="cpu", dtype=torch.float32).rows([None]) is None


def test_bank_refuses_prefixes_that_differ_in_more_than_length(tiny):
    shape = tiny.t5.shape
    whole, part = random_prefix(shape), random_prefix(shape, attentions=("cross",))
    wide = Prefix(**{kind: torch.cat([tensor, tensor], -1) for kind, tensor in whole.parts.items()})

    for other in (part, wide):
        bank = PrefixBank({"a": whole, "b": other}, device="cpu", dtype=torch.float32)
        with pytest.raises(PrefixMismatchError, match="the prefixes of 'a' and 'b' can't share a batch"):
            bank.rows(["a", "b"])


def test_the_least_recently_used_prefix_leaves_a_full_bank(tiny):
    shape = tiny.t5.shape
    bank = PrefixBank(device="cpu", dtype=torch.float32, capacity=2)
    for name in "abc":
        bank.put(name, random_prefix(shape, 3))
        assert bank.get("a") is not None

    assert bank.get("b") is None and bank.get("c") is not None


def test_a_prefix_that_was_taken_out_stays_when_another_takes_its_name(tiny):
    shape = tiny.t5.shape
    old = random_prefix(shape, 3, seed=1)
    bank = PrefixBank({"a": old}, device="cpu", dtype=torch.float32)
    rows = bank.rows(["a", "a"])

    bank.put("a", random_prefix(shape, 3, seed=2))

    assert same_prefix(rows.select(torch.tensor(0)), old)
    assert not same_prefix(bank.get("a"), old)
