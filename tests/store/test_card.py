from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cpner.backbone.load import Backbone
from cpner.backbone.shape import ATTENTIONS
from cpner.backbone.t5 import T5
from cpner.errors import PrefixMismatchError, StoreError
from cpner.instructor import INSTRUCTION
from cpner.store import card, check_fits
from cpner.store.card import read_json, readme, write_json
from tests.support import LAYERS, SHAPE, make_card, make_domain


def test_prefix_of_another_backbone_is_refused_by_both_names():
    torch.manual_seed(0)
    tiny = Backbone("t5-tiny", T5(SHAPE), vocabulary=None)  # nothing is tokenised here
    shapes = {kind: [layers, 2, 3, 4, 8] for kind, layers in LAYERS.items()}
    card = make_card(backbone_fingerprint=tiny.fingerprint, shapes=shapes)
    check_fits(card, tiny)
    check_fits(dataclasses.replace(card, shapes={}), tiny)

    with pytest.raises(PrefixMismatchError) as error:
        check_fits(dataclasses.replace(card, backbone_fingerprint="feedfeedfeed"), tiny)
    assert f"'music' was made for the backbone cpner-mini (feedfeedfeed), this one is {tiny.name} " in str(error.value)
    assert f"({tiny.fingerprint}); load the backbone that it was made for, or warm up again" in str(error.value)
    with pytest.raises(PrefixMismatchError, match=r"prefix \{'encoder': \[12, 2, 12, 4, 64\]\}.*\[2, 2, 3, 4, 8\]"):
        check_fits(dataclasses.replace(card, shapes={"encoder": [12, 2, 12, 4, 64]}), tiny)


def test_card_repeats_what_modules_with_torch_say():
    assert card.ATTENTIONS == ATTENTIONS
    assert make_card().instruction == INSTRUCTION


def test_cards_are_read_without_torch(store):
    store.save(make_domain())
    code = (
        "import sys; from cpner.store import Store; store = Store(sys.argv[1]); print(store.names(), "
        "store.card('music').seed, [name for name in ('torch', 'safetensors', 'transformers') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code, str(store.path)], capture_output=True, text=True, check=True)

    assert done.stdout == "['music'] 3 []\n"


def test_readme_says_what_the_card_says(store):
    store.save(make_domain())

    text = (store.path / "music" / "README.md").read_text()

    for line in [
        "# music",
        "- musical artist",
        "| backbone | cpner-mini, weights 0123456789ab |",
        "| prefix | 4 positions before the attentions encoder, decoder, cross |",
        "| made by | collaborate |",
        "| splits › train › types › song | 30 |",
        "| news | 0.625 |",
        "| dev › f1 | 71.25 |",
        'ner.predict("Some text.", domain="music")',
        "| cpner | 0.1.0 |",
    ]:
        assert line in text.splitlines()


def test_readme_survives_odd_text_and_leaves_out_what_is_empty():
    card = make_card(types=["a|b", "<b> # c"], sources={}, metrics={"curve": [1, 2]}, backbone="/my `odd` folder")

    text = readme(card)

    assert "- a\\|b" in text and "- \\<b\\> \\# c" in text
    assert "## Sources" not in text and "## Metrics" not in text
    assert "CPNER.load('/my `odd` folder', " in text


@pytest.mark.parametrize("sign", ["\x1b", "\x85", "\ud800", "\u202e", "\u2066"])
@pytest.mark.parametrize("field", ["strategy", "backbone", "types", "created", "instruction"])
def test_signs_that_terminals_obey_are_refused_in_all_texts(field, sign):
    record = json.loads(write_json(make_card(), {}))
    text = f"per{sign}son"
    record[field] = [text] if field == "types" else text

    with pytest.raises(StoreError, match="is damaged"):
        read_json(json.dumps(record).encode(), Path("domain.json"))


def test_a_key_twice_is_refused():
    data = write_json(make_card(), {})

    with pytest.raises(StoreError, match="a key twice in one table"):
        read_json(data.rstrip().removesuffix(b"}") + b', "strategy": "x"}', Path("domain.json"))
