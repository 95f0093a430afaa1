"""What a Parquet file unpacks to is told by its footer, also where PyArrow would end the process."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from playground.demonstrations.archives import unpack_dataset
from playground.demonstrations.parquet_footer import announced_values
from playground.demonstrations.shipped_files import shipped_file
from tests.mutations import mutated_bytes

TASKS = ("atari/Pong", "babyai/BossLevel", "classic/CartPole", "dm_control/walker-walk", "metaworld/reach")


@pytest.fixture(scope="module", params=TASKS)
def file(request, tmp_path_factory):
    """A part of a task's shipped demonstrations."""
    folder = tmp_path_factory.mktemp("dataset")
    unpack_dataset(shipped_file(request.param).read_bytes(), folder)
    return next((folder / "data" / "0").glob("*.parquet"))


def test_counts_what_pyarrow_counts(file):
    header = parquet.read_metadata(file)
    groups = [header.row_group(i) for i in range(header.num_row_groups)]
    counted = sum(group.column(i).num_values for group in groups for i in range(group.num_columns))
    assert announced_values(file.read_bytes()) == counted


def test_a_number_said_very_often_is_counted(tmp_path):
    parquet.write_table(pa.table({"x": pa.array(np.zeros(3_000_000, np.float32))}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    assert len(content) < 30_000 and announced_values(content) == 3_000_000


def test_damage_is_a_value_error(file):
    content = file.read_bytes()
    for number in range(1000):
        rng = np.random.default_rng(number)
        changed = mutated_bytes(content, rng)
        try:
            announced_values(changed[:-4] + b"PAR1" if rng.random() < 0.8 else changed)
        except ValueError:
            continue
