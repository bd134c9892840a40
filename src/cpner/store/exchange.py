"""Domains in the folders of other libraries: AdapterHub's `adapters`, and PEFT.

A folder has `adapter_config.json` and one file of tensors, as the library reads them, with the domain's card and a
README. Neither library computes with a T5's prefix as cpner does (seen in adapters 1.3 and PEFT 0.21):

- cpner gives a prefix no relative bias, and no distance in a sentence changes. AdapterHub counts the prefix in all
  distances of self-attention, PEFT in those from the prefix. A few lines in the README put that right.
- PEFT puts a prefix before the self-attention of the decoder alone. There layer i gets the keys and values of its layer
  2i mod L, so that of an even number of layers half is unused.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cpner.backbone.prefix import Prefix
from cpner.backbone.shape import T5Shape
from cpner.errors import ConfigError, StoreError, one_line
from cpner.files import replacing_folder
from cpner.store.card import LIBRARIES, DomainCard, StoredDomain, read_json, write_json
from cpner.store.package import CARD, README, sha256_of

CONFIG = "adapter_config.json"
_WEIGHTS = {"adapterhub": "adapter.safetensors", "peft": "adapter_model.safetensors"}
_LOCATIONS = {"encoder": "encoder_prefix", "decoder": "self_prefix", "cross": "cross_prefix"}  # in AdapterHub
_MOST_LAYERS = 1000  # of a stack, as `T5Shape` bounds it
_MOST_BYTES = 1 << 30  # of tensors: far above any prefix
_CONFIG_BYTES = 1 << 20
_BIAS = "{} gives the prefix of a T5 a relative bias, which cpner does not: outputs differ"
_USE = {
    "adapterhub": """import adapters
from torch.nn.functional import pad

adapters.init(model)  # a T5ForConditionalGeneration
model.load_adapter("FOLDER", use_safetensors=True, set_active=True)


def without_prefix(plain):
    return lambda queries, keys, **more: pad(plain(queries, keys - LENGTH, **more), (LENGTH, 0))


for stack in STACKS:
    attention = stack.block[0].layer[0].SelfAttention
    attention.compute_bias = without_prefix(attention.compute_bias)
""",
    "peft": """from peft import PeftModel
from torch.nn.functional import pad

attention = model.decoder.block[0].layer[0].SelfAttention  # of a T5ForConditionalGeneration
plain = attention.compute_bias
attention.compute_bias = lambda *sizes, **more: pad(plain(*sizes, **more)[..., LENGTH:], (LENGTH, 0))
model = PeftModel.from_pretrained(model, "FOLDER")
""",
}


class Imported(NamedTuple):
    """A prefix from another library; the card is there if cpner wrote the folder."""

    name: str
    prefix: Prefix
    card: DomainCard | None


def write_folder(domain: StoredDomain, library: str, folder: Path, *, overwrite: bool = False) -> None:
    """Write a domain's prefix to a folder, all or nothing, as another library reads it.

    Args:
        domain: the domain.
        library: one of LIBRARIES.
        folder: made anew.
        overwrite: replace a folder that holds an adapter.

    Raises:
        ConfigError: no such library.
        StoreError: the library can't hold this prefix, or the folder is there already.
    """
    if library not in LIBRARIES:
        raise ConfigError(f"no library {library!r}; there are {', '.join(LIBRARIES)}")
    if folder.exists() and not (overwrite and (folder / CONFIG).is_file()):
        raise StoreError(f"{folder} is there already; choose another name, or overwrite a folder that holds an adapter")
    card = domain.as_stored().card
    if card.members:
        raise StoreError(f"{card.name!r} is an ensemble of {len(card.members)} prefixes, which {library} can't hold")
    write = _to_adapterhub if library == "adapterhub" else _to_peft
    config, tensors = write(card, {kind: part.float().cpu() for kind, part in domain.prefix.parts.items()})
    weights = save(tensors, {"format": "pt"})
    warnings.warn(f"{_BIAS.format(library)}, but for the lines in its {README}", stacklevel=2)
    with replacing_folder(folder) as new:
        (new / _WEIGHTS[library]).write_bytes(weights)
        (new / CONFIG).write_text(json.dumps(config) + "\n", "utf-8")
        (new / CARD).write_bytes(write_json(card, {_WEIGHTS[library]: sha256_of(weights)}))
        (new / README).write_text(_readme(card, library), "utf-8")


def read_folder(folder: Path, shape: T5Shape) -> Imported:
    """Read a prefix that AdapterHub, PEFT or `write_folder` wrote.

    Args:
        folder: holds `adapter_config.json` and tensors in safetensors.
        shape: of the backbone that the prefix is for.

    Raises:
        StoreError: the folder holds something else, or a prefix of another shape.
    """
    config = _read_config(folder)
    library = "peft" if "peft_type" in config else "adapterhub"
    path = folder / _WEIGHTS[library]
    tensors = _read_tensors(path)
    read = _from_adapterhub if library == "adapterhub" else _from_peft
    try:
        prefix = read(config, tensors, shape)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise StoreError(f"{folder} holds no prefix for this backbone: {one_line(error)}") from error
    warnings.warn(f"{_BIAS.format(library)} from those of {library} as it is", stacklevel=2)
    if not all(bool(part.isfinite().all()) for part in prefix.parts.values()):
        raise StoreError(f"{path} holds numbers that are not finite")
    card = None
    if (folder / CARD).is_file():
        card, _ = read_json((folder / CARD).read_bytes(), folder / CARD)
    name = card.name if card else config.get("name")
    return Imported(name if isinstance(name, str) else folder.resolve().name, prefix, card)


def _to_adapterhub(card: DomainCard, parts: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if "cross" in parts and "decoder" not in parts:
        raise StoreError(
            f"AdapterHub puts a prefix before the decoder's self-attention wherever its cross-attention has one; "
            f"{card.name!r} has one before {', '.join(parts)} alone"
        )
    layers = card.shapes["encoder"][0] if "encoder" in parts else 0
    # of a prefix for the encoder the card does not tell how deep the decoder is
    left_out = [] if "decoder" in parts else list(range(layers, layers + _MOST_LAYERS))
    prefix_tuning = {
        "architecture": "prefix_tuning",
        "flat": True,
        "prefix_length": card.prefix["length"],
        "encoder_prefix": "encoder" in parts,
        "cross_prefix": "cross" in parts,
        "leave_out": left_out,
        "dropout": 0.0,
        "use_gating": False,
    }
    config = {
        "config": prefix_tuning,
        "model_class": "T5ForConditionalGeneration",
        "model_name": card.backbone,
        "model_type": "t5",
        "name": card.name,
    }
    pool = f"prefix_tuning.prefix_tunings.{card.name}"
    tensors = {f"{pool}.{_LOCATIONS[kind]}.control_trans": _flat(part).flatten() for kind, part in parts.items()}
    return config, tensors


def _from_adapterhub(config: dict[str, Any], tensors: dict[str, Tensor], shape: T5Shape) -> Prefix:
    settings = config["config"]
    if settings.get("architecture") != "prefix_tuning" or settings.get("use_gating"):
        raise ValueError("it is no prefix tuning without gates")
    length = settings["prefix_length"]
    parts = {}
    for kind, location in _LOCATIONS.items():
        names = [name for name in tensors if f".{location}." in name and "prefix_tuning.prefix_tunings." in name]
        heads = {name.rpartition(f".{location}.")[0] for name in names}  # the pool stands there for each layer anew
        if heads:
            begin = f"{min(heads, key=len)}.{location}."
            module = {name.removeprefix(begin): tensors[name] for name in names if name.startswith(begin)}
            parts[kind] = _parted(_key_values(module, settings), length, kind, shape)
    if not parts:
        raise ValueError("it has no tensor of a prefix")
    return Prefix(**parts)


def _key_values(module: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Tensor:
    """What AdapterHub computes for a location: of a network its output, else the numbers themselves."""
    if "control_trans" in module:
        return module["control_trans"]
    if settings.get("non_linearity", "tanh") != "tanh":
        raise ValueError(f"its network has the non-linearity {settings['non_linearity']!r}; expected tanh")
    first, second = (
        (module[f"control_trans.{i}.weight"].float(), module[f"control_trans.{i}.bias"].float()) for i in (0, 2)
    )
    hidden = torch.nn.functional.linear(module["wte.weight"].float(), *first).tanh()
    return torch.nn.functional.linear(hidden, *second)


def _to_peft(card: DomainCard, parts: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if set(parts) != {"decoder"}:
        raise StoreError(
            f"PEFT puts the prefix of a T5 before the decoder's self-attention alone; that of {card.name!r} stands "
            f"before {', '.join(parts)}: export it as adapterhub"
        )
    part = parts["decoder"]
    layers, _, heads, length, width = part.shape
    if layers % 2 == 0:
        raise StoreError(
            f"PEFT gives decoder layer i of a T5 the prefix of layer 2i mod {layers}, so that half of the {layers} "
            f"layers of {card.name!r} have no place: export it as adapterhub"
        )
    placed = torch.empty_like(part)
    placed[[2 * i % layers for i in range(layers)]] = part
    config = {
        "peft_type": "PREFIX_TUNING",
        "task_type": "SEQ_2_SEQ_LM",
        "base_model_name_or_path": card.backbone,
        "inference_mode": True,
        "num_virtual_tokens": length,
        "token_dim": heads * width,
        "num_attention_heads": heads,
        "num_layers": layers,
        "num_transformer_submodules": 2,
        "prefix_projection": False,
        "encoder_hidden_size": heads * width,
    }
    return config, {"prompt_embeddings": _flat(placed)}


def _from_peft(config: dict[str, Any], tensors: dict[str, Tensor], shape: T5Shape) -> Prefix:
    if config["peft_type"] != "PREFIX_TUNING":
        raise ValueError(f"it is {config['peft_type']}, no prefix tuning")
    part = _parted(tensors["prompt_embeddings"], config["num_virtual_tokens"], "decoder", shape)
    layers = shape.decoder_layers
    return Prefix(decoder=part[[2 * i % layers for i in range(layers)]])


def _flat(part: Tensor) -> Tensor:
    """[L, 2, H, K, D] as both libraries lay it out, [K, L * 2 * H * D]."""
    return part.permute(3, 0, 1, 2, 4).flatten(1).contiguous()


def _parted(flat: Tensor, length: int, kind: str, shape: T5Shape) -> Tensor:
    """[K * L * 2 * H * D] in any shape to [L, 2, H, K, D]."""
    layers = shape.encoder_layers if kind == "encoder" else shape.decoder_layers
    expected = length * layers * 2 * shape.heads * shape.d_kv
    if flat.numel() != expected:
        raise ValueError(f"the part before {kind} has {flat.numel():,} numbers; {expected:,} fit")
    return flat.float().reshape(length, layers, 2, shape.heads, shape.d_kv).permute(1, 2, 3, 0, 4).contiguous()


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > _CONFIG_BYTES:
            raise StoreError(f"{path} has more than the {_CONFIG_BYTES:,} bytes that a configuration may have")
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; expected a folder that adapters, PEFT or cpner wrote") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} can't be read: {one_line(error)}") from error
    if not isinstance(config, dict) or not ("peft_type" in config or isinstance(config.get("config"), dict)):
        raise StoreError(f"{path} is no configuration of adapters or PEFT")
    return config


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        pickles = [file.name for file in (path.with_name("pytorch_adapter.bin"), path.with_suffix(".bin"))
                   if file.is_file()]  # fmt: skip
        what = f"; {pickles[0]} is a pickle, which cpner never reads: save it as safetensors" if pickles else ""
        raise StoreError(f"{path} is missing{what}")
    if path.stat().st_size > _MOST_BYTES:
        raise StoreError(f"{path} has more than the {_MOST_BYTES:,} bytes that a prefix may have")
    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise StoreError(f"{path} is damaged: {one_line(error)}") from error


def _readme(card: DomainCard, library: str) -> str:
    kinds = card.prefix["attentions"]
    stacks = "".join(f"model.{stack}, " for stack in ("encoder", "decoder") if stack in kinds)
    code = _USE[library].replace("LENGTH", str(card.prefix["length"])).replace("STACKS", f"({stacks.rstrip()})")
    lines = [
        f"# {card.name}",
        "",
        f"A prefix of cpner for {card.backbone} (weights {card.backbone_fingerprint}), which finds: "
        f"{', '.join(card.types)}.",
        "",
        f"```python\n{code}```",
        "",
        "Without the lines about `compute_bias` the library gives the prefix a relative bias, and outputs differ from",
        f"cpner's. The source text begins with the instruction {card.instruction!r}"
        f"{' and the types as options' if card.options else ''}, as cpner's instructor writes it.",
    ]
    return "\n".join(lines) + "\n"
