"""Options that several commands share, so that one thing has one name everywhere."""

from pathlib import Path
from typing import Annotated

import typer

AgentOption = Annotated[str, typer.Option(help="Who acts: model, expert, random, nearest or dqn.")]
CheckpointOption = Annotated[str | None, typer.Option(help="Checkpoint folder to read; the shipped one if left out.")]
NewCheckpointOption = Annotated[Path, typer.Option("--out", help="Folder to write the new checkpoint to.")]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder of the collected episodes; a cache folder of yours if left out.")
]
TasksOption = Annotated[str, typer.Option(help="Globs of task ids, separated by commas.")]
WorldSeedOption = Annotated[int, typer.Option(min=0, help="Seed of the worlds; another seed gives other worlds.")]
DataSeedOption = Annotated[int, typer.Option(min=0, help="First seed; another seed adds to the data that is there.")]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting of how it is done: name=value; several.")
]
WorkersOption = Annotated[
    str | None,
    typer.Option(help="Number of processes (all cores if left out), or a Dask scheduler's address, tcp://host:8786."),
]
