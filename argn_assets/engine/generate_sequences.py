"""Generating sequences: how long each is, then all first rows, all second rows, and so on while sequences are left."""

# B sequences that are left, G sequences, R rows, S sub-columns, C columns, U sub-columns of the context
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families import SequenceGenerator
from argn_assets.engine.generate import GenerationConfig, Given, Plan
from argn_assets.engine.memory import by_halves
from argn_assets.engine.parallel import one_core
from argn_assets.engine.rules import DrawRules
from argn_assets.engine.sampling import draw_codes
from argn_assets.engine.sequence_draws import LEAST_DRAWS, GivenSequences, SequenceDraws, side_by_side
from argn_assets.engine.siblings import SiblingRows, of_rows, sibling_rows
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedSibling
from argn_assets.tables.sequences import SequenceLengths, step_key


@dataclass(frozen=True)
class Prefixes:
    """Given first rows of sequences.

    Attributes:
        rows: what is given of them, the rows of a sequence together.
        offsets: where each sequence starts in them, [G + 1]; a sequence without given rows has equal offsets.
    """

    rows: Given
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class GeneratedSequences:
    """Codes of sequences.

    Attributes:
        codes: the rows of a sequence together, in order, [S, R].
        offsets: where each sequence starts, [G + 1].
    """

    codes: NDArray[np.uint16]
    offsets: NDArray[np.int64]


@flushed_denormals()
@torch.inference_mode()
def generate_sequences(
    model: SequenceGenerator,
    sub_columns: list[SubColumn],
    context: NDArray[np.generic],
    prefixes: Prefixes,
    lengths: SequenceLengths,
    seed: Seed,
    config: GenerationConfig,
    rules: DrawRules,
    first_sequence: int = 0,
    siblings: Sequence[EncodedSibling] = (),
) -> GeneratedSequences:
    """Generate sequences, all of them at once.

    Args:
        model: the network.
        sub_columns: of a row, [S].
        context: codes of each sequence's context, [U, G].
        prefixes: given first rows.
        lengths: cells of lengths.
        seed: every draw is a function of (seed, sub-column, number of the sequence, step).
        config: settings.
        rules: what may be drawn.
        first_sequence: number of the first of the G sequences.
        siblings: of each sequence's context, G rows each.
    """
    run = _Run(model, sub_columns, prefixes, lengths, seed, config, rules, first_sequence)
    run.fill_prefixes(context, tuple(siblings))
    codes = torch.from_numpy(context.astype(np.int64)).to(model.device)
    beside = sibling_rows(siblings, model.device)

    def generate(part: slice) -> GeneratedSequences:
        return run.generate(codes[:, part], of_rows(beside, part), part.start)

    with one_core(model.device):
        return _one_after_another(by_halves(generate, slice(0, codes.shape[1]), model.device))


def _one_after_another(parts: Sequence[GeneratedSequences]) -> GeneratedSequences:
    sizes = [np.diff(part.offsets) for part in parts]
    return GeneratedSequences(
        np.concatenate([part.codes for part in parts], axis=1), np.append(0, np.cumsum(np.concatenate(sizes)))
    )


class _Run:
    def __init__(
        self,
        model: SequenceGenerator,
        sub_columns: list[SubColumn],
        prefixes: Prefixes,
        lengths: SequenceLengths,
        seed: Seed,
        config: GenerationConfig,
        rules: DrawRules,
        first_sequence: int,
    ):
        self.model, self.prefixes, self.lengths = model, prefixes, lengths
        self.seed, self.config, self.first_sequence = seed, config, first_sequence
        self.n_sub_columns = len(sub_columns)
        self.plan = Plan(model, sub_columns, prefixes.rows.offered, rules) if sub_columns else None
        device = model.device
        self.lows, self.highs = (torch.tensor(ends, device=device) for ends in (lengths.lows, lengths.highs))
        self.n_given = torch.from_numpy(np.diff(prefixes.offsets)).to(device)  # [G]

    def fill_prefixes(self, context: NDArray[np.generic], siblings: tuple[EncodedSibling, ...]) -> None:
        """Draw what given rows lack where rows after them are given too, so that it fits those."""
        given, offsets = self.prefixes.rows, self.prefixes.offsets
        known = GivenSequences(
            pl.DataFrame(), given, offsets, context.astype(np.int64), siblings, np.arange(int(offsets[-1]))
        )
        lacks = known.first_missing() < known.last_given()
        if self.plan is None or not lacks.any():
            return
        codes, seed = given.codes.astype(np.uint16)[:, None].copy(), self.seed.child("given rows")
        for numbers in side_by_side(np.flatnonzero(lacks), LEAST_DRAWS):
            draws = SequenceDraws(
                self.model, self.plan, known, numbers, LEAST_DRAWS, seed, self.config, self.first_sequence,
                self._draw_lengths,
            )  # fmt: skip
            draws.finish().write(codes)
        observed = given.observed | lacks[known.sequence]
        self.prefixes = Prefixes(dataclasses.replace(given, codes=codes[:, 0], observed=observed), offsets)

    def generate(self, context: Tensor, siblings: Sequence[SiblingRows], first: int) -> GeneratedSequences:
        """Return the codes of the sequences of this context, which are those from number `first` on."""
        model, end = self.model, first + context.shape[1]
        sequence = torch.arange(first, end, device=context.device)
        state = model.begin(context, siblings)
        length = self._draw_lengths(state, sequence)  # [B]
        steps: list[tuple[Tensor, Tensor]] = []  # which sequences, and their codes, per step
        step = 0
        while True:
            if step > 0:
                again = (self.n_given[sequence] == step).nonzero().squeeze(1)
                if len(again):  # what was given ends here: how long will it be, now that it is known?
                    length[again] = self._draw_lengths(model.keep(state, again), sequence[again])
            alive = (length > step).nonzero().squeeze(1)
            if len(alive) < len(sequence):
                sequence, length, state = sequence[alive], length[alive], model.keep(state, alive)
            if not len(sequence):
                break
            codes = self._rows(state, sequence, length, step)
            steps.append((sequence, codes))
            state = model.advance(state, codes)
            step += 1
        return self._together(steps, first, end)

    def _draw_lengths(self, state: object, sequence: Tensor) -> Tensor:
        """Draw how many rows sequences have, [B]: at least as many as are given."""
        logits = self.model.length_logits(state)
        given = self.n_given[sequence]
        possible = self.highs[None, :] >= given[:, None]  # [B, K]
        logits = logits.masked_fill(~possible & possible.any(1, keepdim=True), -torch.inf)
        keys = sequence.cpu().numpy().astype(np.uint64) + np.uint64(self.first_sequence)
        cell_seed, place_seed = self.seed.child("sequence length"), self.seed.child("place in cell of lengths")
        uniforms = torch.from_numpy(cell_seed.uniforms(keys)).to(logits.device)
        cell = draw_codes(logits, uniforms, self.config.temperature, self.config.top_p)
        low, high = torch.maximum(self.lows[cell], given), torch.maximum(self.highs[cell], given)
        place = torch.from_numpy(place_seed.uniforms(keys)).to(logits.device)
        return low + (place * (high - low + 1)).long()

    def _rows(self, state: object, sequence: Tensor, length: Tensor, step: int) -> Tensor:
        """Return the codes of the next row of each sequence, [S, B]."""
        codes = torch.zeros((self.n_sub_columns, len(sequence)), dtype=torch.int64, device=sequence.device)
        if self.plan is None:
            return codes
        numbers = sequence.cpu().numpy()
        given = self.prefixes.rows
        observed = np.zeros((len(given.observed), len(numbers)), dtype=bool)
        is_given = np.flatnonzero(np.diff(self.prefixes.offsets)[numbers] > step)
        if len(is_given):
            rows = self.prefixes.offsets[numbers[is_given]] + step
            observed[:, is_given] = given.observed[:, rows]
            codes[:, is_given] = torch.from_numpy(given.codes[:, rows].astype(np.int64)).to(codes.device)
        keys = step_key(numbers.astype(np.uint64) + np.uint64(self.first_sequence), step)
        shown = torch.from_numpy(observed).to(codes.device)
        base = self.model.base(state, length - step)
        return self.plan.fill(codes, shown, keys, self.seed, self.config, base)

    def _together(self, steps: list[tuple[Tensor, Tensor]], first: int, end: int) -> GeneratedSequences:
        """Bring the rows of each sequence together, those from number `first` up to `end`."""
        if not steps:
            empty = np.zeros((self.n_sub_columns, 0), dtype=np.uint16)
            return GeneratedSequences(empty, np.zeros(end - first + 1, dtype=np.int64))
        of_row = torch.cat([sequence for sequence, _ in steps]).cpu().numpy()
        codes = torch.cat([codes for _, codes in steps], dim=1).cpu().numpy().astype(np.uint16)
        sizes = np.bincount(of_row - first, minlength=end - first)
        return GeneratedSequences(codes[:, np.argsort(of_row, kind="stable")], np.append(0, np.cumsum(sizes)))
