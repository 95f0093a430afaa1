"""The window without a screen: what it runs and what it runs next. Sessions and their clock are a Lockstep."""

from collections.abc import Callable
from time import perf_counter

from playground import domains
from playground.api import open_session, world_seed
from playground.errors import PlaygroundError
from playground.policies import ReplayPolicy
from playground.prompt_spec import NO_PROMPT, Demonstration
from playground.recording.recorder import VideoRecorder
from playground.task import EVALUATION_SEEDS
from playground.viewing.clips import Clip, RenderWorker
from playground.viewing.lockstep import Lockstep
from playground.viewing.replaying import replay_session
from playground.window.agent_view import AgentView
from playground.window.prompt_list import PromptList, free_video
from playground.window.view import View

CLIP_SIZE = 240
"""Width of a demonstration's pictures, pixels."""

MAX_FPS = 60.0


class Viewer:
    """Sessions under the keys of one person.

    Args:
        task: task id to open with.
        prompt: text of the prompt to open with; None takes the task's first demonstration.
        agent: who acts, see `playground.api.AGENTS`.
        checkpoint: checkpoint folder; None takes the shipped one.
        seed: start of the first episode.
        size: width of pictures.
        clock: seconds.
        replayed: what to play again at first, in place of an agent.

    Attributes:
        message: the latest thing to tell the person.
        error: why the world stopped; empty while it runs.
        task: id of the task that is shown.
        prompt_list: the prompts at hand for it.
        joining: whether the prompt that is chosen next is appended to the present one.
    """

    prompt_list: PromptList

    def __init__(
        self,
        task: str,
        prompt: str | None = None,
        agent: str = "model",
        checkpoint: str | None = None,
        seed: int = 0,
        size: int = 480,
        clock: Callable[[], float] = perf_counter,
        replayed: Demonstration | None = None,
    ):
        self.lockstep = Lockstep[View](clock)
        self.task, self.message, self.error = task, "", ""
        self._clock, self._replayed = clock, replayed
        self._agent, self._checkpoint, self._seed, self._size = agent, checkpoint, seed, size
        self._render_worker = RenderWorker(CLIP_SIZE)
        self._next: tuple[str, str | None] | None = (task, prompt)
        self._video: VideoRecorder | None = None
        self.joining = False
        self._before = ""  # the prompt before the present one

    @property
    def views(self) -> list[View]:
        """The sessions that are shown, one or two."""
        return self.lockstep.panels

    @property
    def view(self) -> View:
        """The view that keys and people act on: the first."""
        return self.lockstep.main

    @property
    def playing(self) -> bool:
        """Whether nobody paused."""
        return self.lockstep.playing

    @property
    def speed(self) -> float:
        """World seconds per second."""
        assert isinstance(self.lockstep.speed, float)
        return self.lockstep.speed

    @property
    def busy(self) -> str:
        """What is about to be built, which takes a moment."""
        return "" if self._next is None else f"building {self._next[0]} …"

    @property
    def recording(self) -> bool:
        """Whether a video is being recorded."""
        return self._video is not None

    def clip(self, view: View) -> Clip | None:
        """The demonstration of a view's prompt, drawn or being drawn."""
        found = view.demonstration
        return None if found is None else self._render_worker.clip(found.name, found.episode)

    def close(self) -> None:
        """Keeps what is being driven and recorded, and closes the worlds."""
        if self.views:
            self.attempt(self._finish)
        self.lockstep.close()
        self._render_worker.close()

    # Time

    def advance(self) -> None:
        """Builds what is asked for and makes the steps that are due; errors stop the clock and are shown."""
        self.attempt(self._advance)

    def attempt(self, action: Callable[[], None]) -> None:
        """Does something that may fail: then the world waits, and `error` tells why."""
        try:
            action()
        except PlaygroundError as error:
            self.lockstep.playing, self.error = False, " ".join(str(error).split())
        except Exception as error:  # a simulator's or an agent's own: shown, not fatal
            self.lockstep.playing, self.error = False, f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _advance(self) -> None:
        if self._next is not None:
            wanted, self._next = self._next, None
            self._open(*wanted)
        steps = self.lockstep
        if self.views and self.view.waits:
            steps.wait()
        if not steps.ready:
            return
        now = self._clock() + 1e-6  # sums of steps' lengths are not exact
        steps.catch_up()
        while steps.due <= now:
            draw = steps.due + steps.pace > now or self._clock() >= now + 1 / MAX_FPS
            steps.advance(draw)
            self.stepped()
            if self._replay_ends():
                steps.playing, self.message = False, "the recording ends here; r and space play it again"
            if draw or not steps.playing:
                return

    def _replay_ends(self) -> bool:
        """Whether what is played again has no more actions."""
        policy = self.view.policy
        return isinstance(policy, ReplayPolicy) and not self.view.driving and policy.over

    def stepped(self) -> None:
        """After steps: there is no error any more, and there may be new recordings."""
        self.error = ""
        new = self.prompt_list.add(self.view.saved)
        if new is not None:
            self.message = f"kept as {new}; t makes it the prompt"

    def reset(self, new: bool = False) -> None:
        """The same start again, or a new one."""
        assert self.view.event is not None
        seed = self.view.event.seed
        if new:
            self._seed = (seed - EVALUATION_SEEDS.start + 1) % len(EVALUATION_SEEDS)
            seed = world_seed(self._seed)
        self.lockstep.reset(seed)
        self.stepped()
        self.message = "another start" if new else "the same start"

    def open(self, task: str, prompt: str | None = None) -> None:
        """Asks for another world, which the next `advance` builds."""
        self._next = (task, prompt)

    def change_task(self, by: int) -> None:
        """The next task of the same domain, or of the next domain."""
        ids = [task.id for task in domains.tasks()]
        current = self._next[0] if self._next is not None else self.task
        self.open(ids[(ids.index(current) + by) % len(ids)])

    def swap(self, text: str) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on."""
        before = self.view.prompt
        self.view.swap_to(text)
        if self.view.prompt != before:
            self._before = before
        self.message = "no prompt" if text == NO_PROMPT else f"prompt {self.view.prompt}"

    def compare(self) -> None:
        """The same start under a second prompt, in lockstep beside the first; or back to one."""
        if len(self.views) > 1:
            self.lockstep.drop(len(self.views) - 1)
            return
        other = self._before or self.prompt_list.beside(self.view.prompt, 1)
        self.lockstep.compare(self._build(self.task, other))
        self.stepped()
        self.message = f"compared with {other}"

    def record(self) -> None:
        """Starts a video, or ends it; then the running episode is kept too."""
        if self._video is not None:
            self._end_video()
            self.view.save_episode()
            self.stepped()
            return
        path = free_video(self.task)
        self._video = VideoRecorder(path, self.view.task.fps)
        self.view.session.consumers.append(self._video)
        self.message = f"recording {path.name}; v ends it"

    def _end_video(self) -> None:
        assert self._video is not None
        video, self._video = self._video, None
        self.view.session.consumers.remove(video)
        video.close()
        self.message = f"wrote {video.writer.path}"

    def _finish(self) -> None:
        """Before this world goes: what is being driven and recorded is kept."""
        if self._video is not None:
            self._end_video()
        if self.view.driving:
            self.view.release()

    def _open(self, task: str, prompt: str | None) -> None:
        """Another world: built before the old one goes, so that a failure leaves the old one running."""
        prompts = PromptList(task)
        view = self._build(task, prompt or prompts.names[0])
        if self.views:
            self._finish()
        self.task, self.prompt_list = task, prompts
        self.message = self._before = ""
        self.lockstep.open([view])
        self.stepped()

    def _build(self, task: str, prompt: str) -> View:
        if self._replayed is not None and self._replayed.episode.task == task:
            session = replay_session(self._replayed.episode, self._size)
        else:
            session = open_session(task, self._agent, None, self._seed, None, self._checkpoint, self._size)
        try:
            return View(session, prompt, self._clock, AgentView(self._clock))
        except BaseException:
            session.close()
            raise
