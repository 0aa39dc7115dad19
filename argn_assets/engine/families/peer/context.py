"""What an imported model is given of each row or sequence: flat columns, and whole sequences of other tables."""

# B rows, U sub-columns of the context, T steps, D numbers of an embedding, M numbers of a state
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from argn_assets.engine.families.peer.layout import PeerLayout
from argn_assets.engine.families.peer.network import PeerNetwork, Weights, load_lstm

_SEQUENCES = "context_compressor.sequential_context_compressor."


@dataclass(frozen=True)
class PeerContext:
    """The context of some rows.

    Attributes:
        flat: embeddings of the flat columns, [B, D].
        states: of each table of sequences, for every step of both directions, [B, T, M].
        lengths: steps of each sequence of each table, [B].
    """

    flat: Tensor
    states: list[Tensor]
    lengths: list[Tensor]

    def keep(self, chosen: Tensor) -> PeerContext:
        """Return the context of some of the rows, by their place, [B']."""
        return PeerContext(self.flat[chosen], [s[chosen] for s in self.states], [n[chosen] for n in self.lengths])

    def last_states(self) -> Tensor:
        """Return where each direction ended, of every table, [B, sum of M]."""
        ends = []
        for states, lengths in zip(self.states, self.lengths, strict=True):
            half = states.shape[2] // 2
            rows = torch.arange(len(states), device=states.device)
            ends += [states[rows, lengths - 1, :half], states[:, 0, half:]]
        return torch.cat(ends, 1) if ends else self.flat[:, :0]

    def attended(self, queries: list[Tensor]) -> Tensor:
        """Return the states that queries ask for, [B, M] each -> [B, sum of M]: one attention head per table."""
        found = []
        for states, lengths, query in zip(self.states, self.lengths, queries, strict=True):
            scores = torch.einsum("btm,bm->bt", states, query) / states.shape[2] ** 0.5
            beyond = torch.arange(states.shape[1], device=states.device) >= lengths[:, None]
            found.append(torch.einsum("bt,btm->bm", scores.masked_fill(beyond, -torch.inf).softmax(1), states))
        return torch.cat(found, 1) if found else self.flat[:, :0]


class ContextReader:
    """Turns the codes of a context into what the network sees of it."""

    def __init__(self, layout: PeerLayout, network: PeerNetwork, weights: Weights):
        self.layout, self.network = layout, network
        device, dtype = network.device, network.inside.dtype
        self.tables: dict[str, list[Tensor]] = {}
        self.recurrences: dict[str, nn.LSTM] = {}
        for table, columns in layout.context_tables.items():
            embedders = f"{_SEQUENCES}embedders.{table}.embedders.embedder@"
            names = [name for column in columns for name in column.full_names]
            self.tables[table] = [weights[f"{embedders}{name}.weight"].to(device, dtype) for name in names]
            name = f"{_SEQUENCES}compressor_layers.sequential_context@{table}"
            self.recurrences[table] = load_lstm(weights, name, device, dtype)

    def read(self, codes: Tensor) -> PeerContext:
        """Return the context that codes, [U, B], say."""
        flat: list[Tensor] = []
        steps: dict[str, list[Tensor]] = {}  # by table: the codes of each sub-column, [T, B]
        at = 0
        for column in self.layout.context:
            n_subs, n_steps = len(column.sub_columns), max(1, column.n_steps)
            own = codes[at : at + n_steps * n_subs].view(n_steps, n_subs, -1)
            at += n_steps * n_subs
            if column.n_steps:
                steps.setdefault(column.table, []).extend(own.unbind(1))
            else:
                flat.extend(own[0])
        embedded = [table[code] for table, code in zip(self.network.context_tables, flat, strict=True)]
        nothing = torch.zeros(codes.shape[1], 0, device=self.network.device, dtype=self.network.inside.dtype)
        read = [self._read_table(table, steps[table]) for table in self.tables]
        return PeerContext(torch.cat([nothing, *embedded], 1), [s for s, _ in read], [n for _, n in read])

    def _read_table(self, table: str, codes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the states of a table's sequences, [B, T, M], and their lengths, [B]; code 0 is behind the end."""
        lengths = (codes[0] > 0).sum(0)  # [B]
        longest = int(lengths.max()) if len(lengths) else 1
        subs = zip(self.tables[table], codes, strict=True)
        embedded = torch.cat([weights[(code[:longest] - 1).clamp(min=0).t()] for weights, code in subs], 2)  # [B, T, D]
        if not len(lengths):
            n_states = 2 * self.recurrences[table].hidden_size
            return embedded.new_zeros(0, longest, n_states), lengths
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrences[table](packed)[0], batch_first=True)
        return states, lengths
