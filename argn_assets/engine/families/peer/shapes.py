"""Which weights the columns of an imported model ask for, and of which shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from argn_assets.engine.families.peer.layout import PeerColumn, PeerLayout

Shape = tuple[int, ...]
_CONTEXT = "context_compressor."
_FLAT, _SEQUENCES = f"{_CONTEXT}flat_context_compressor.", f"{_CONTEXT}sequential_context_compressor."


def mismatches(layout: PeerLayout, found: Mapping[str, Shape]) -> list[str]:
    """Return what is wrong with weights of these shapes, one sentence part each; [] where they belong to the columns.

    Cardinalities come from the columns. How wide embeddings and layers are is the model's choice: it is read from the
    weights, and must be the same wherever it counts.
    """
    expected = _Expected(found)
    expected.add_model(layout)
    wrong = [
        f"{name} is missing" if name not in found else
        f"{name} has the shape {list(found[name])}, and {list(shape)} was expected"
        for name, shape in expected.shapes.items()
        if found.get(name) != shape
    ]  # fmt: skip
    return wrong + [f"{name} belongs to no column" for name in found if name not in expected.shapes]


class _Expected:
    """Collects the shapes; each method adds the weights of one part and returns how many numbers the part gives."""

    def __init__(self, found: Mapping[str, Shape]):
        self.found = found
        self.shapes: dict[str, Shape] = {}

    def add_model(self, layout: PeerLayout) -> None:
        is_sequential = layout.most > 0
        n_outside = self.embeddings(f"{_FLAT}embedders.", layout.flat_context)
        if layout.flat_context:
            n_outside = self.layers(f"{_FLAT}compressor_layers.flat_context@", n_outside)
        n_states = []
        for table, columns in layout.context_tables.items():
            n_inputs = self.embeddings(f"{_SEQUENCES}embedders.{table}.", columns)
            n_states.append(self.recurrence(f"{_SEQUENCES}compressor_layers.sequential_context@{table}", n_inputs))
        n_row = self.embeddings("embedders.", layout.predicted)
        if is_sequential:
            n_history = self.recurrence("history_compressor.compressor_layers.history@", n_row)
            for i, n in enumerate(n_states):
                self.shapes[f"attention.q_projs.{i}.weight"] = (n, n_history)
            n_outside += n_history
        n_outside += sum(n_states)
        n_outside += sum(self.column(column) for column in layout.predicted)
        for column in layout.predicted:
            n_earlier = 0
            for name, n_codes in zip(column.full_names, column.cardinalities, strict=True):
                n_units = self.layers(f"regressors.regressors.regressor@{name}", n_outside + n_earlier)
                self.layer(f"predictors.predictors.{name}", n_units, n_codes)
                n_earlier += self.size(f"embedders.embedders.embedder@{name}.weight", 1)

    def size(self, name: str, axis: int) -> int:
        """Return a width that only the weights know; 0 where they do not."""
        shape = self.found.get(name, ())
        return shape[axis] if axis < len(shape) else 0

    def embeddings(self, prefix: str, columns: Iterable[PeerColumn]) -> int:
        total = 0
        for column in columns:
            for sub_column, n_codes in zip(column.full_names, column.cardinalities, strict=True):
                name = f"{prefix}embedders.embedder@{sub_column}.weight"
                width = self.size(name, 1)
                self.shapes[name] = (n_codes, width)
                total += width
        return total

    def column(self, column: PeerColumn) -> int:
        """Add the map of a column's embeddings to fewer numbers, where it has one."""
        widths = [self.size(f"embedders.embedders.embedder@{name}.weight", 1) for name in column.full_names]
        name = f"column_embedders.column_embedders.column_embedder@{column.name}"
        if f"{name}.weight" not in self.found:
            return sum(widths)
        return self.layer(name, sum(widths), self.size(f"{name}.weight", 0))

    def layer(self, name: str, n_inputs: int, n_outputs: int) -> int:
        self.shapes |= {f"{name}.weight": (n_outputs, n_inputs), f"{name}.bias": (n_outputs,)}
        return n_outputs

    def layers(self, name: str, n_inputs: int) -> int:
        """Add linear layers that follow each other, at least one."""
        number = 0
        while number == 0 or f"{name}.{number}.weight" in self.found:
            n_inputs = self.layer(f"{name}.{number}", n_inputs, self.size(f"{name}.{number}.weight", 0))
            number += 1
        return n_inputs

    def recurrence(self, name: str, n_inputs: int) -> int:
        """Add the layers of an LSTM, which may also read backwards."""
        ends = ["", "_reverse"] if f"{name}.weight_hh_l0_reverse" in self.found else [""]
        n_hidden, number = self.size(f"{name}.weight_hh_l0", 1), 0
        while number == 0 or f"{name}.weight_hh_l{number}" in self.found:
            for end in ends:
                of_layer = f"l{number}{end}"
                self.shapes[f"{name}.weight_ih_{of_layer}"] = (4 * n_hidden, n_inputs)
                self.shapes[f"{name}.weight_hh_{of_layer}"] = (4 * n_hidden, n_hidden)
                self.shapes[f"{name}.bias_ih_{of_layer}"] = (4 * n_hidden,)
                self.shapes[f"{name}.bias_hh_{of_layer}"] = (4 * n_hidden,)
            n_inputs, number = n_hidden * len(ends), number + 1
        return n_inputs
