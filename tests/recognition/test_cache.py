from __future__ import annotations

import pytest
import torch

from cpner.recognition.cache import Cache
from tests.support import SOME_ATTENTIONS, mixed_bank, random_prefix, run_t5


@pytest.mark.parametrize("kinds", [None, *SOME_ATTENTIONS])
def test_cache_equals_teacher_forcing(tiny, batch, kinds):
    t5, (_, mask, target) = tiny.t5, batch
    prefix = None if kinds is None else random_prefix(t5.shape, attentions=kinds).expand(3)
    encoded, expected = run_t5(t5, batch, prefix)
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        states = [cache.step(part) for part in target.split([2, 1, 5, *[1] * 32], dim=1)]  # 40: the cache grows

    torch.testing.assert_close(torch.cat(states, 1), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kinds", [None, *SOME_ATTENTIONS])
def test_pieces_that_are_taken_back_leave_no_trace(tiny, batch, kinds):
    """Rows feed 3 pieces at a time, of which some are padding or wrong, and go on where they were right."""
    t5, (_, mask, target) = tiny.t5, batch
    prefix = None if kinds is None else random_prefix(t5.shape, attentions=kinds).expand(3)
    encoded, expected = run_t5(t5, batch, prefix)
    generator, done = torch.Generator().manual_seed(5), torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        while int(done.min()) < 8:
            fed = torch.randint(1, 4, (3,), generator=generator)
            right = torch.minimum(fed, torch.randint(1, 4, (3,), generator=generator))
            columns = torch.arange(3)
            ids = target.gather(1, done[:, None] + columns)
            ids = torch.where(columns < right[:, None], ids, (ids + 7) % 50)
            states = cache.step(ids, fed.tolist())
            cache.take_back(right.tolist(), 3)
            for row in range(3):
                own = slice(int(done[row]), int(done[row] + right[row]))
                torch.testing.assert_close(states[row, : right[row]], expected[row, own], atol=1e-5, rtol=1e-5)
            done += right


def test_cache_equals_teacher_forcing_with_rows_of_different_prefixes(tiny, batch):
    t5, (_, mask, target) = tiny.t5, batch
    prefix = mixed_bank(t5.shape)[1].rows(["c", None, "b"])
    encoded, expected = run_t5(t5, batch, prefix)
    keep = [2, 1]
    with torch.no_grad():
        cache = Cache(t5, encoded, mask, prefix)
        first = cache.step(target[:, :3])
        cache.keep(keep)
        second = torch.cat([cache.step(part) for part in target[keep, 3:].split(1, 1)], 1)

    torch.testing.assert_close(first, expected[:, :3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(second, expected[keep, 3:], atol=1e-5, rtol=1e-5)
