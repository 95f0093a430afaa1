"""What the window shows and the keys change, without a screen: sessions, their clock, and what to run next.

The loop itself is the session's; here is only when to step it, and under which prompt.
"""

from collections.abc import Callable
from time import perf_counter

from playground import domains
from playground.api import open_session, world_seed
from playground.demonstrations import Demonstration
from playground.errors import PlaygroundError
from playground.policies import ReplayPolicy
from playground.prompt_spec import NO_PROMPT
from playground.recording.recorder import VideoRecorder
from playground.task import EVALUATION_SEEDS, Goal
from playground.viewing.reel import Painter, Reel
from playground.viewing.replaying import replay_session
from playground.window.agent_view import AgentView
from playground.window.prompt_list import PromptList, free_video, recording_name, trimmed
from playground.window.view import View

REEL_SIZE = 240
"""Width of a demonstration's pictures, pixels."""

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MAX_FPS = 60.0
END_PAUSE_SECONDS = 1.2
REWIND_SECONDS = 10.0
CATCH_UP_SECONDS = 0.25
"""Time that is made up for after a delay; what is beyond is lost, and the readouts say so."""


class Viewer:
    """Sessions under the keys of one person.

    Args:
        task: task id to open with.
        prompt: name of the prompt to open with; None takes the task's first demonstration.
        agent: who acts, see `playground.api.AGENTS`.
        checkpoint: checkpoint folder; None takes the shipped one.
        seed: start of the first episode.
        size: width of pictures.
        clock: seconds.
        replayed: what to play again at first, in place of an agent.
    """

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
        self.clock = clock
        self.playing, self.speed, self.drawing = True, 1.0, True
        self.message = self.error = ""
        self.views: list[View] = []
        self._agent, self._checkpoint, self._seed, self._size = agent, checkpoint, seed, size
        self._painter = Painter(REEL_SIZE)
        self._due = 0.0
        self._replayed = replayed
        self._next: tuple[str, str | None] | None = (task, prompt)
        self._video: VideoRecorder | None = None
        self._before = ""  # the prompt before the present one
        self.task = task
        self.prompt_list: PromptList

    @property
    def view(self) -> View:
        """The view that keys and people act on: the first."""
        return self.views[0]

    @property
    def busy(self) -> str:
        """What is about to be built, which takes a moment."""
        return "" if self._next is None else f"building {self._next[0]} …"

    def reel(self, view: View) -> Reel | None:
        """The demonstration of a view's prompt, drawn or being drawn."""
        found = view.demonstration
        return None if found is None else self._painter.reel(found.name, found.episode)

    @property
    def recording(self) -> bool:
        """Whether a video is being recorded."""
        return self._video is not None

    def close(self) -> None:
        """Keeps what is being driven and recorded, and closes the worlds."""
        if self.views:
            self.attempt(self._let_go)
        for view in self.views:
            view.session.close()
        self.views = []
        self._painter.close()

    # Time

    def advance(self) -> None:
        """Builds what is asked for and makes the steps that are due; errors stop the clock and are shown."""
        self.attempt(self._advance)

    def attempt(self, action: Callable[[], None]) -> None:
        """Does something that may fail: then the world waits, and `error` tells why."""
        try:
            action()
        except PlaygroundError as error:
            self.playing, self.error = False, " ".join(str(error).split())
        except Exception as error:  # a simulator's or an agent's own: shown, not fatal
            self.playing, self.error = False, f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _advance(self) -> None:
        if self._next is not None:
            wanted, self._next = self._next, None
            self._open(*wanted)
        if not self.views or not self.playing:
            return
        if self.view.teleoperation.waits:
            self._wait()
            return
        now = self.clock() + 1e-6  # sums of steps' lengths are not exact
        pace = 1 / (self.fps * self.speed)
        self._due = max(self._due, now - CATCH_UP_SECONDS)
        stop = now + 1 / MAX_FPS
        while self._due <= now:
            self.drawing = self._due + pace > now or self.clock() >= stop
            if self._step():
                self._due = self.clock() + END_PAUSE_SECONDS
                return
            self._due += pace
            if self._replay_ends():
                self.playing, self.message = False, "the recording ends here; r and space play it again"
            if self.drawing or not self.playing:
                return

    def _replay_ends(self) -> bool:
        """Whether what is played again has no more actions."""
        policy = self.view.session.policy
        return isinstance(policy, ReplayPolicy) and not self.view.teleoperation.active and policy.over

    @property
    def fps(self) -> float:
        """The world's own rate."""
        return self.view.session.task.fps if self.views and self.view.session.task else 1.0

    def _step(self) -> bool:
        """One step of every view whose episode runs on; tells whether all episodes have ended."""
        over = all(view.event is not None and view.event.done for view in self.views)
        for view in self.views:
            if over or view.event is None or not view.event.done:
                event = view.session.step(view.teleoperation.action())
                if event.done and event.frame is None:
                    view.picture = view.session.env.render()
        self.error = ""
        self._shelve()
        return all(view.event is not None and view.event.done for view in self.views)

    def _show(self) -> None:
        """One step at once, so that a request is seen while the clock stands."""
        self.drawing = True
        self._step()
        self._wait()

    def _wait(self) -> None:
        """The next step is due when one has passed."""
        self._due = self.clock() + 1 / (self.fps * self.speed)

    # What keys ask for

    def toggle_pause(self) -> None:
        self.playing, self.error = not self.playing, ""
        self._wait()

    def step_once(self) -> None:
        self.playing = False
        if not self.view.teleoperation.waits:
            self._show()

    def rewind(self) -> None:
        """Ten seconds of the world's time back."""
        if any(view.touched for view in self.views):
            self.message = "the world was pulled at in this episode, so it cannot be taken back"
            return
        for view in self.views:
            view.session.rewind(round(REWIND_SECONDS * self.fps))
        self._show()

    def change_camera(self) -> None:
        """The next place to look from."""
        cameras = self.view.session.env.cameras
        here = (cameras.index(self.view.session.env.camera) + 1) % len(cameras)
        for view in self.views:
            view.session.env.camera = cameras[here]
            if view.event is not None:
                view.picture = view.session.env.render()
        self.message = f"camera: {cameras[here]}" if len(cameras) > 1 else "this world has one camera"

    def change_speed(self, by: int) -> None:
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]
        self._wait()
        for view in self.views:
            view.ticks.clear()
        self.message = f"speed x {self.speed:g}"

    def reset(self, new: bool = False) -> None:
        """The same start again, or a new one."""
        assert self.view.event is not None
        seed = self.view.event.seed
        if new:
            self._seed = (seed - EVALUATION_SEEDS.start + 1) % len(EVALUATION_SEEDS)
            seed = world_seed(self._seed)
        for view in self.views:
            view.session.reset(seed)
        self._show()
        self.message = "another start" if new else "the same start"

    def open(self, task: str, prompt: str | None = None) -> None:
        """Asks for another world, which the next `advance` builds."""
        self._next = (task, prompt)

    def change_task(self, by: int) -> None:
        """The next task of the same domain, or of the next domain."""
        ids = [task.id for task in domains.tasks()]
        current = self._next[0] if self._next is not None else self.task
        self.open(ids[(ids.index(current) + by) % len(ids)])

    def change_prompt(self, by: int) -> None:
        """The next prompt that belongs to this scene."""
        here = self.view.spec.cuts[-1].name if self.view.spec.cuts else NO_PROMPT
        self.swap(self.prompt_list.beside(here, by))

    def swap_to_mark(self, number: int) -> None:
        """Digit 0 takes the prompt away, the others take the marked one."""
        if number == 0:
            self.swap(NO_PROMPT)
        elif number in self.prompt_list.marks:
            self.swap(self.prompt_list.marks[number])
        else:
            self.message = f"no prompt is marked {number}; shift+{number} marks the present one"

    def mark(self, number: int) -> None:
        """Makes the present prompt the one of a digit."""
        if number and self.view.prompt != NO_PROMPT:
            self.prompt_list.marks[number] = self.view.prompt
            self.message = f"{number} is {self.view.prompt}"

    def shuffle(self) -> None:
        """The prompt's timesteps in random order, or in their own again."""
        self.swap(str(self.view.spec.toggled("shuffled")))

    def compare(self) -> None:
        """The same start under a second prompt, in lockstep beside the first; or back to one."""
        if len(self.views) > 1:
            self.views.pop().session.close()
            self.view.session.goal = None
            return
        other = self._before or self.prompt_list.beside(self.view.prompt, 1)
        assert self.view.event is not None
        goal = self.view.event.goal
        self.views.append(self._view(self.task, other, goal))
        self.views[1].session.env.camera = self.view.session.env.camera
        self.view.session.goal = goal  # the same world for both, whatever their prompts would choose
        for view in self.views:
            view.session.reset(self.view.event.seed)
        self._show()
        self.message = f"compared with {other}"

    # A person's own

    def take_over(self) -> None:
        """The person drives, or gives back; what was driven is kept."""
        teleoperation = self.view.teleoperation
        if teleoperation.active:
            teleoperation.release()
            self.message = "the agent acts again"
            self._shelve()
        else:
            teleoperation.take_over()
            self.playing = True
            self.message = "you drive; d gives back"
        self._wait()

    def prompt_with_own(self) -> None:
        """The latest recording becomes the prompt of the running agent."""
        saved = self.view.teleoperation.saved
        if saved:
            self.swap(recording_name(saved[-1]))
        else:
            self.message = "nothing is recorded yet; d drives, v records"

    def record(self) -> None:
        """Starts a video, or ends it; then the running episode is kept too."""
        if self._video is not None:
            self._end_video()
            self.view.teleoperation.save_episode()
            self._shelve()
            return
        path = free_video(self.task)
        self._video = VideoRecorder(path, self.fps)
        self.view.session.consumers.append(self._video)
        self.message = f"recording {path.name}; v ends it"

    def rename(self, name: str) -> None:
        """Gives the present prompt's recording another name."""
        found, saved = self.view.demonstration, self.view.teleoperation.saved
        path = self.prompt_list.rename(found, name)
        saved[:] = [path if found is not None and other == found.recording else other for other in saved]
        self.swap(recording_name(path))

    def trim_start(self) -> None:
        """Lets the prompt begin with the timestep that is shown of it."""
        self._trim(False)

    def trim_end(self) -> None:
        """Lets the prompt end with the timestep that is shown of it."""
        self._trim(True)

    def _trim(self, end: bool) -> None:
        self.swap(str(trimmed(self.view.spec, self.view.demonstration, self.view.shown_step, end)))
        found = self.view.demonstration
        assert found is not None
        self.message = f"prompt: steps {found.start} to {found.stop} of {len(found.episode)}"

    def grab(self, x: float, y: float) -> None:
        """Takes hold of what is drawn at x, y of the first view."""
        if self.view.session.env.grab(x, y):
            self.view.touched = True
            self.message = "pulling"

    def _shelve(self) -> None:
        """Lists recordings that have just been made."""
        new = self.prompt_list.add(self.view.teleoperation.saved)
        if new is not None:
            self.message = f"kept as {new}; t makes it the prompt"

    def _end_video(self) -> None:
        assert self._video is not None
        video, self._video = self._video, None
        self.view.session.consumers.remove(video)
        video.close()
        self.message = f"wrote {video.writer.path}"

    def _let_go(self) -> None:
        """Before this world goes: what is being driven and recorded is kept."""
        if self._video is not None:
            self._end_video()
        if self.view.teleoperation.active:
            self.view.teleoperation.release()

    def swap(self, text: str) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on."""
        before = self.view.prompt
        self.view.swap(text)
        if self.view.prompt != before:
            self._before = before
        self.message = "no prompt" if text == NO_PROMPT else f"prompt {self.view.prompt}"

    def _open(self, task: str, prompt: str | None) -> None:
        """Another world: built before the old one goes, so that a failure leaves the old one running."""
        prompts = PromptList(task)
        view = self._view(task, prompt or prompts.names[0])
        if self.views:
            self._let_go()
        for old in self.views:
            old.session.close()
        self.views, self.task, self.prompt_list = [view], task, prompts
        self.message = self.error = self._before = ""
        self._show()

    def _view(self, task: str, prompt: str, goal: Goal = None) -> View:
        if self._replayed is not None and self._replayed.episode.task == task:
            session = replay_session(self._replayed.episode, self._size)
        else:
            session = open_session(task, self._agent, None, self._seed, goal, self._checkpoint, self._size)
        try:
            return View(session, prompt, self.clock, lambda: self.drawing, AgentView(self.clock))
        except BaseException:
            session.close()
            raise
