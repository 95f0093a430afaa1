"""What a Parquet file unpacks to is told by its footer, also where PyArrow would end the process."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from playground.assets import ASSETS
from playground.demonstrations.parquet_footer import announced_values
from tests.mutations import mutated_bytes

FILES = sorted(ASSETS.glob("demonstrations/*/*/data/0/*.parquet"))[::40]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.parts[-5:-3]))
def test_counts_what_pyarrow_counts(file):
    header = parquet.read_metadata(file)
    groups = [header.row_group(i) for i in range(header.num_row_groups)]
    assert announced_values(file.read_bytes()) == sum(
        g.column(i).num_values for g in groups for i in range(g.num_columns)
    )


def test_a_number_said_very_often_is_counted(tmp_path):
    parquet.write_table(pa.table({"x": pa.array(np.zeros(3_000_000, np.float32))}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    assert len(content) < 30_000 and announced_values(content) == 3_000_000


def test_damage_is_a_value_error():
    content = FILES[0].read_bytes()
    for number in range(3000):
        rng = np.random.default_rng(number)
        changed = mutated_bytes(content, rng)
        try:
            announced_values(changed[:-4] + b"PAR1" if rng.random() < 0.8 else changed)
        except ValueError:
            continue
