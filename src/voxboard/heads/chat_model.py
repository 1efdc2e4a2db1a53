"""A frozen causal language model that hears: frames stand where the words of a prompt would."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from voxboard.errors import UserError, first_line
from voxboard.weights import folder, hub

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIO = "<|AUDIO|>"  # where a prompt has the audio; it is cut there, so no tokenizer needs to know it
# Size of the embeddings of known models, so that heads for them can be built without a network connection.
SIZES: Mapping[str, int] = {
    "Qwen/Qwen2.5-0.5B-Instruct": 896,
    "Qwen/Qwen2.5-1.5B-Instruct": 1536,
    "Qwen/Qwen2.5-3B-Instruct": 2048,
    "Qwen/Qwen2.5-7B-Instruct": 3584,
}


def size_of(name: str) -> int:
    """H, the size of a model's token embeddings. Raises `UserError` for a model that is not there."""
    if name in SIZES and not Path(name).is_dir():
        return SIZES[name]
    import transformers

    _refuse_code(name)
    try:
        shape = transformers.AutoConfig.from_pretrained(folder(name), trust_remote_code=False, **hub())
        return int(shape.get_text_config().hidden_size)
    except Exception as error:  # transformers has errors of many kinds for a config of the wrong form
        raise _unusable(name, error) from error


@lru_cache(maxsize=1)
def load(name: str) -> ChatModel:
    """The model of a local folder or a hub id, in float32. Raises `UserError` when it is not there."""
    import transformers

    _refuse_code(name)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder(name), trust_remote_code=False, **hub())
        network = transformers.AutoModelForCausalLM.from_pretrained(
            folder(name), dtype=torch.float32, use_safetensors=True, trust_remote_code=False, **hub()
        )
    except Exception as error:  # transformers has errors of many kinds for files of the wrong form
        raise _unusable(name, error) from error
    return ChatModel(network, tokenizer)


def _refuse_code(name: str) -> None:
    """Raise `UserError` for a folder or hub id that wants code of its own to be run, or has an adapter beside it."""
    from voxboard.backbones import hf_files

    where, options = folder(name), hub()
    try:
        for file in ("config.json", "tokenizer_config.json"):
            hf_files.refuse_code(hf_files.content(where, file, options) or {}, name)
    except (OSError, ValueError):  # not to be fetched: transformers says why
        return
    hf_files.refuse_adapters(where, options)
    hf_files.refuse_elsewhere(where)


class ChatModel:
    """No module, so that whoever has one neither trains nor saves it. Raises `UserError` without an end of turn."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network, self.tokenizer = network.eval().requires_grad_(False), tokenizer
        self.end = tokenizer.eos_token_id
        if self.end is None:
            raise UserError("The language model's tokenizer has no end of a turn.", "Choose a chat model.")
        ends = network.generation_config.eos_token_id
        self.ends = sorted({self.end, *(ends if isinstance(ends, list) else [] if ends is None else [ends])})

    def loss(self, heard: Sequence[Tensor], question: str, answers: Sequence[str]) -> Tensor:
        """Audio [S, H] per utterance → cross entropy of the answers' tokens, the end of the turn included."""
        tokens = [torch.tensor([*self._tokens(answer), self.end]) for answer in answers]
        device, longest = heard[0].device, max(map(len, tokens))
        wanted = torch.stack([F.pad(row, (0, longest - len(row)), value=-100) for row in tokens]).to(device)
        prompt, mask = self._prompts(heard, question)
        inputs = torch.cat([prompt, self._embedded(wanted.clamp(min=0))], 1)
        mask = torch.cat([mask, wanted >= 0], 1)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        logits = self.network(
            inputs_embeds=inputs,
            attention_mask=mask.long(),
            position_ids=places,
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, -longest - 1 : -1]
        return F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=-100)

    @torch.no_grad()
    def answer(self, heard: Sequence[Tensor], question: str, most: int) -> list[str]:
        """Audio [S, H] per utterance → the likeliest token at a time, at most `most` of them."""
        from transformers import GenerationConfig

        prompt, mask = self._prompts(heard, question)
        # In place of the model's own, which may sample or punish repetition.
        self.network.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            eos_token_id=self.ends, pad_token_id=self.end
        )
        tokens = self.network.generate(
            inputs_embeds=prompt, attention_mask=mask.long(), do_sample=False, num_beams=1, max_new_tokens=most
        )
        return [text.strip() for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def _prompts(self, heard: Sequence[Tensor], question: str) -> tuple[Tensor, Tensor]:
        """Embeddings [B, P, H] of the prompts, padded at their beginnings, and their mask [B, P]."""
        if self.network.device != heard[0].device:
            self.network.to(heard[0].device)
        before, after = (self._embedded(part.to(heard[0].device)) for part in self._parts(question))
        rows = [torch.cat([before, audio.to(before.dtype), after]) for audio in heard]
        longest = max(map(len, rows))
        prompt = torch.stack([F.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows], device=prompt.device)
        return prompt, torch.arange(longest, device=prompt.device) >= longest - lengths[:, None]

    def _parts(self, question: str) -> tuple[Tensor, Tensor]:
        """The tokens of a prompt before and after the audio."""
        asked = f"{AUDIO}\n{question}"
        if self.tokenizer.chat_template:
            turn = [{"role": "user", "content": asked}]
            text = self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        else:
            text = f"{self.tokenizer.bos_token or ''}{asked}\n"
        before, _, after = text.partition(AUDIO)
        first, last = (torch.tensor(self._tokens(part), dtype=torch.int64) for part in (before, after))
        return first, last

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def _embedded(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.network.get_input_embeddings()(tokens)
        return vectors


def _unusable(name: str, error: Exception) -> UserError:
    if name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
        return UserError(f"There is no folder {name}.", "Pass --lm with a hub id or a folder of a chat model.")
    return UserError(
        f"The language model {name} cannot be loaded: {first_line(error)}",
        "Pass --lm with a local folder (config.json, model.safetensors, tokenizer.json) or a hub id.",
    )
