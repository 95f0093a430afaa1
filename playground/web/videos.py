"""Videos that a visitor records while watching. The latest few are kept until the visitor goes."""

from collections.abc import Callable
from pathlib import Path

from playground.recording.recorder import VideoRecorder
from playground.viewing.panel import Panel

KEPT = 3
MAX_FRAMES = 3000


class Videos:
    """Records one panel at a time.

    Args:
        folder: makes, when first called, a folder for the files.
        tell: called with the name of each finished file.
    """

    def __init__(self, folder: Callable[[], Path], tell: Callable[[str], None]):
        self.files: dict[str, Path] = {}
        self._folder, self._tell = folder, tell
        self._count = 0
        self._running: tuple[VideoRecorder, Panel] | None = None

    @property
    def recording(self) -> bool:
        """Whether a video is being recorded."""
        return self._running is not None

    @property
    def full(self) -> bool:
        """Whether the running video is as long as a video may be."""
        return self._running is not None and self._running[0].writer.count >= MAX_FRAMES

    def start(self, panel: Panel) -> None:
        """Begins a video with the panel's next step, unless one is running."""
        if self._running is None:
            recorder = VideoRecorder(self._folder() / f"playground-{self._count}.mp4", panel.task.fps)
            self._count += 1
            panel.session.consumers.append(recorder)
            self._running = (recorder, panel)

    def stop(self) -> None:
        """Ends the running video, if there is one."""
        if self._running is None:
            return
        (recorder, panel), self._running = self._running, None
        panel.session.consumers.remove(recorder)
        recorder.close()
        if recorder.writer.count:
            path = recorder.writer.path
            self.files[path.name] = path
            while len(self.files) > KEPT:
                self.files.pop(next(iter(self.files))).unlink(missing_ok=True)
            self._tell(path.name)
