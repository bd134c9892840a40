"""Tagging: every piece of a sentence is compared with every option, as GLiNER compares spans (arXiv 2311.08526).

The tagger is learnt beside the decoder while a backbone is pretrained. It is a file of its own beside the weights,
which `transformers` does not look at; a backbone may come without one.

Axes in comments: B rows, S source pieces, Y options, w the width of the tagger's space.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cpner.errors import BackboneError, one_line
from cpner.files import replacing

FILE = "tagger.safetensors"


class Tagger(nn.Module):
    """Compares pieces with options in a space of `width` dimensions.

    Args:
        d_model: width of the encoder's states.
        width: of the space.
        seed: of its first weights.
    """

    def __init__(self, d_model: int, width: int = 128, *, seed: int = 0) -> None:
        super().__init__()
        self.piece = nn.Linear(d_model, width, bias=False)
        self.option = nn.Linear(d_model, width, bias=False)
        self.none = nn.Parameter(torch.zeros(width))
        self.begin = nn.Linear(d_model, 1, bias=False)
        self.scale = width**-0.5
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.piece, self.option, self.begin):
            layer.weight.data.normal_(0, d_model**-0.5, generator=generator)

    def forward(self, encoded: Tensor, options: Tensor) -> tuple[Tensor, Tensor]:
        """Logits in float32: [B, S, 1 + Y] of belonging to no entity or to an option, [B, S] of being a first piece.

        Args:
            encoded: [B, S, d] states of the encoder.
            options: [B, Y] where each option's first piece is in the source, -1 at padding.
        """
        places = options.clamp(min=0)[..., None].expand(-1, -1, encoded.shape[2])
        named = self.option(encoded.gather(1, places))  # [B, Y, w]
        none = self.none.to(named.dtype).expand(len(named), 1, -1)
        owners = (self.piece(encoded) * self.scale) @ torch.cat([none, named], 1).transpose(1, 2)  # [B, S, 1 + Y]
        absent = nn.functional.pad(options < 0, (1, 0))[:, None]
        return owners.float().masked_fill(absent, -torch.inf), self.begin(encoded)[..., 0].float()


def read_tagger(folder: Path, d_model: int, name: str) -> Tagger | None:
    """The tagger in a backbone's folder; None where there is none.

    Raises:
        BackboneError: the file can't be read, or is of another model.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        state = load_file(path)
        width = len(state["none"])
        tagger = Tagger(d_model, width)
        tagger.load_state_dict({key: tensor.float() for key, tensor in state.items()})
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError) as error:
        raise BackboneError(f"backbone {name!r}: {path} can't be read as its tagger ({one_line(error)})") from error
    return tagger.requires_grad_(False).eval()


def write_tagger(tagger: Tagger, folder: Path) -> None:
    """Write the file that `read_tagger` reads, in bfloat16."""
    state = {key: tensor.detach().to("cpu", torch.bfloat16).contiguous() for key, tensor in tagger.state_dict().items()}
    with replacing(folder / FILE) as file:
        file.write(save(state, metadata={"format": "pt"}))
