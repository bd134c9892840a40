"""Peers of the benchmarks that ask for other versions of libraries than cpner, timed in an environment of their own.

A benchmark starts this file with that environment's Python (`make bench` makes it, `--peers` names it) and takes its
ways in turns with cpner's: the process here waits for the name of a way, runs it once, and answers. It imports nothing
of cpner.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Way = Callable[[], object]


@contextmanager
def peer_ways(python: Path | None, task: str, **sizes: Any) -> Iterator[dict[str, Way]]:
    """The ways of a task that the environment of `python` has, as calls that wait for them; none where it is None.

    Args:
        task: "training", "decoding", "recognition" or "gliner".
        sizes: what the task's function below takes.
    """
    if python is None:
        yield {}
        return
    command = [str(python), __file__, task, json.dumps(sizes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(name: str) -> None:
            process.stdin.write(name + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            if process.stdout.readline().strip() != "done":  # type: ignore[union-attr]
                raise RuntimeError(f"{name} failed in {python}")

        names = json.loads(process.stdout.readline())
        yield {name: lambda name=name: ask(name) for name in names}  # type: ignore[misc]
        process.stdin.close()


def t5(config: Mapping[str, Any]) -> Any:
    """A T5 with random weights."""
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(T5Config(**config)).eval()


def training(*, config: Mapping[str, Any], rows: int, read: int, write: int, dtype: str) -> dict[str, Way]:
    """AdapterHub's prefix tuning: a prefix of 10 on all three attentions, as cpner's."""
    import adapters
    import torch

    model = t5(config).to(getattr(torch, dtype))
    adapters.init(model)
    model.add_adapter("domain", config=adapters.PrefixTuningConfig(prefix_length=10))
    model.train_adapter("domain")
    model.set_active_adapters("domain")
    model.to(getattr(torch, dtype)).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=True)
    dice = torch.Generator().manual_seed(0)
    ids = torch.randint(5, config["vocab_size"], (rows, read), generator=dice)
    labels = torch.randint(5, config["vocab_size"], (rows, write), generator=dice)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()

    return {"AdapterHub prefix": step}


def decoding(*, config: Mapping[str, Any], batches: list[int], read: int, write: int, folder: str) -> dict[str, Way]:
    """Greedy generation of so many pieces: CTranslate2 and ONNX Runtime with int8 weights, named with the batch."""
    import ctranslate2
    import torch
    from optimum.onnxruntime import ORTModelForSeq2SeqLM

    model = t5(config)
    _for_ctranslate2(model, Path(folder, "ctranslate2"))
    _for_onnx(model, Path(folder, "onnx"))
    threads = torch.get_num_threads()
    translator = ctranslate2.Translator(
        str(Path(folder, "ctranslate2")), compute_type="int8", intra_threads=threads, inter_threads=1
    )
    onnx = ORTModelForSeq2SeqLM.from_pretrained(Path(folder, "onnx"))

    def ways(rows: int) -> dict[str, Way]:
        ids = torch.randint(5, config["vocab_size"], (rows, read), generator=torch.Generator().manual_seed(0))
        pieces = [[f"<{i}>" for i in row] for row in ids.tolist()]
        mask = torch.ones_like(ids)
        return {
            f"CTranslate2 int8 {rows}": lambda: translator.translate_batch(
                pieces, beam_size=1, min_decoding_length=write, max_decoding_length=write
            ),
            f"ONNX Runtime int8 {rows}": lambda: onnx.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=write, min_new_tokens=write, do_sample=False
            ),
        }

    return {name: way for rows in batches for name, way in ways(rows).items()}


def _for_ctranslate2(model: Any, folder: Path) -> None:
    """Write a model for CTranslate2, with made-up names for pieces: it asks for a tokenizer, which is not used here."""
    from ctranslate2.converters import transformers as converters

    class Pieces:
        unk_token, pad_token, eos_token = "<2>", "<0>", "<1>"

        def get_vocab(self) -> dict[str, int]:
            return {f"<{i}>": i for i in range(model.config.vocab_size)}

        def convert_ids_to_tokens(self, piece: int) -> str:
            return f"<{piece}>"

    specification = converters.T5Loader()(model, Pieces())
    specification.validate()
    specification.optimize(quantization="int8")
    folder.mkdir(parents=True)
    specification.save(str(folder))


def _for_onnx(model: Any, folder: Path) -> None:
    """Export a model, its decoder with and without a cache, and quantize the weights to int8 as it is usually done."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from optimum.exporters.onnx import onnx_export_from_model

    onnx_export_from_model(model, folder / "full", task="text2text-generation-with-past", do_validation=False)
    for file in (folder / "full").iterdir():
        if file.suffix == ".json":
            (folder / file.name).write_bytes(file.read_bytes())
        elif file.suffix == ".onnx" and "merged" not in file.name:
            quantize_dynamic(file, folder / file.name, weight_type=QuantType.QInt8, use_external_data_format=False)


def gliner(texts: Sequence[str], types: Sequence[str], *, hidden: int, **encoder: int) -> Any:
    """GLiNER with a random DeBERTa of v3's kind, and a tokenizer that knows the words of these texts.

    Args:
        texts: to train the tokenizer on.
        types: the same.
        hidden: width of GLiNER's own layers.
        encoder: sizes of the DeBERTa.
    """
    from gliner.config import UniEncoderSpanConfig
    from gliner.model import UniEncoderSpanGLiNER
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import DebertaV2Config, PreTrainedTokenizerFast

    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words.train_from_iterator([*texts, *types], trainers.WordPieceTrainer(special_tokens=special, show_progress=False))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.add_tokens(["[FLERT]", "<<ENT>>", "<<SEP>>"], special_tokens=True)
    shape = DebertaV2Config(
        relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True,
        pos_att_type=["p2c", "c2p"], max_relative_positions=-1, **encoder,
    )  # fmt: skip
    config = UniEncoderSpanConfig(
        encoder_config=shape, hidden_size=hidden, vocab_size=shape.vocab_size, class_token_index=len(tokenizer) - 2
    )
    return UniEncoderSpanGLiNER(config, tokenizer=tokenizer).eval()


def recognition(*, texts: list[str], types: list[str], sizes: Mapping[str, int], dtype: str) -> dict[str, Way]:
    """GLiNER with a DeBERTa of so many layers: one batch of sentences, from text to entities."""
    import torch

    def way(layers: int) -> Way:
        model = gliner(
            texts, types, hidden=512, vocab_size=128_100, hidden_size=768, intermediate_size=3072,
            num_attention_heads=12, num_hidden_layers=layers,
        ).to(getattr(torch, dtype))  # fmt: skip
        return lambda: model.inference(texts, types, batch_size=len(texts), threshold=1.0)  # random weights find all

    return {f"GLiNER {name}": way(layers) for name, layers in sizes.items()}


def save_gliner(*, folder: str, texts: list[str], types: list[str]) -> dict[str, Way]:
    """A folder with a GLiNER of about the size of `cpner-mini`, for GLiNER's server."""
    model = gliner(
        texts, types, hidden=384, vocab_size=16_000, hidden_size=384, intermediate_size=1536, num_attention_heads=6,
        num_hidden_layers=6,
    )  # fmt: skip
    model.save_pretrained(folder)
    print(sum(parameter.numel() for parameter in model.parameters()))
    return {"saved": lambda: None}


TASKS = {"training": training, "decoding": decoding, "recognition": recognition, "gliner": save_gliner}


def main() -> None:
    """Tell the ways of a task, then run those that are asked for, one at a time."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    task, sizes = sys.argv[1], json.loads(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        if task == "decoding":
            sizes["folder"] = folder
        ways = TASKS[task](**sizes)
        print(json.dumps(list(ways)), file=out, flush=True)
        for line in sys.stdin:
            ways[line.strip()]()
            print("done", file=out, flush=True)


if __name__ == "__main__":
    main()
