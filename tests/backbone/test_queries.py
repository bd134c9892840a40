"""Measuring what attentions ask for leaves the backbone as it was."""

from __future__ import annotations

import pytest
from torch import nn

from cpner.backbone.queries import mean_queries


def test_there_is_a_query_for_every_head_and_no_hook_is_left(tiny, monkeypatch: pytest.MonkeyPatch):
    handles = []
    register = nn.Module.register_forward_hook

    def counted(module, hook):
        handles.append(register(module, hook))
        return handles[-1]

    monkeypatch.setattr(nn.Module, "register_forward_hook", counted)

    queries = mean_queries(tiny.t5, tiny.vocabulary)

    assert {kind: tuple(query.shape) for kind, query in queries.items()} == {
        "encoder": (2, 3, 8), "decoder": (3, 3, 8), "cross": (3, 3, 8),
    }  # fmt: skip
    assert len(handles) == 8 and not any(handle.id in handle.hooks_dict_ref() for handle in handles)
