"""What keys and mouse ask of a viewer: time, the world, the prompt, and a person's own recordings."""

from playground.demonstrations import parse_prompt
from playground.prompt_spec import NO_PROMPT
from playground.viewing.lockstep import SPEEDS
from playground.window.prompt_list import recording_name, trimmed
from playground.window.viewer import Viewer

REWIND_SECONDS = 10.0
"""World seconds that one rewind takes back."""


def toggle_pause(viewer: Viewer) -> None:
    """Pauses, or goes on."""
    viewer.lockstep.playing, viewer.error = not viewer.playing, ""
    viewer.lockstep.wait()


def step_once(viewer: Viewer) -> None:
    """One step, then pause."""
    viewer.lockstep.playing = False
    if not viewer.view.waits:
        viewer.lockstep.step()
        viewer.stepped()


def rewind(viewer: Viewer) -> None:
    """Ten seconds of the world's time back."""
    if viewer.lockstep.rewind(REWIND_SECONDS):
        viewer.stepped()
    else:
        viewer.message = "the world was pulled at in this episode, so it cannot be taken back"


def change_speed(viewer: Viewer, by: int) -> None:
    """Faster, or slower."""
    at = SPEEDS.index(viewer.speed) + by
    viewer.lockstep.set_speed(SPEEDS[min(max(at, 0), len(SPEEDS) - 1)])
    viewer.message = f"speed x {viewer.speed:g}"


def change_camera(viewer: Viewer) -> None:
    """The next place to look from."""
    cameras = viewer.view.env.cameras
    camera = cameras[(cameras.index(viewer.view.env.camera) + 1) % len(cameras)]
    viewer.lockstep.look(camera)
    viewer.message = f"camera: {camera}" if len(cameras) > 1 else "this world has one camera"


def toggle_drive(viewer: Viewer) -> None:
    """The person drives, or lets the agent drive; what was driven is kept."""
    if viewer.view.driving:
        viewer.view.release()
        viewer.message = "the agent acts again"
        viewer.stepped()
    else:
        viewer.view.take_over()
        viewer.lockstep.playing = True
        viewer.message = "you drive; d gives back"
    viewer.lockstep.wait()


def push(viewer: Viewer) -> None:
    """Pushes the body for a moment."""
    viewer.lockstep.push()
    viewer.message = "pushed"


def toggle_blindfold(viewer: Viewer) -> None:
    """Masks the agent's observations, or no longer."""
    on = not viewer.view.mask.on
    viewer.lockstep.blindfold(on)
    viewer.message = "the agent sees nothing" if on else "the agent sees again"


def grab(viewer: Viewer, x: float, y: float) -> None:
    """Takes hold of what is drawn at x, y of the first view."""
    if viewer.view.grab(x, y):
        viewer.message = "pulling"


def change_prompt(viewer: Viewer, by: int) -> None:
    """The next prompt that belongs to this scene."""
    here = viewer.view.spec.cuts[-1].name if viewer.view.spec.cuts else NO_PROMPT
    _choose(viewer, viewer.prompt_list.beside(here, by))


def swap_to_mark(viewer: Viewer, number: int) -> None:
    """Digit 0 takes the prompt away, the others take the marked one."""
    if number == 0:
        viewer.swap(NO_PROMPT)
    elif number in viewer.prompt_list.marks:
        _choose(viewer, viewer.prompt_list.marks[number])
    else:
        viewer.message = f"no prompt is marked {number}; shift+{number} marks the present one"


def mark(viewer: Viewer, number: int) -> None:
    """Makes the present prompt the one of a digit."""
    if viewer.view.prompt != NO_PROMPT:
        viewer.prompt_list.marks[number] = viewer.view.prompt
        viewer.message = f"{number} is {viewer.view.prompt}"


def edit(viewer: Viewer, name: str) -> None:
    """Edits the prompt, or undoes that edit; see `playground.prompt_spec.EDITS`."""
    viewer.swap(str(viewer.view.spec.toggled(name)))


def join(viewer: Viewer) -> None:
    """The prompt that is chosen next is appended to the present one, or not after all."""
    viewer.joining = not viewer.joining and viewer.view.prompt != NO_PROMPT
    viewer.message = "the prompt you choose next is appended" if viewer.joining else "nothing is appended"


def _choose(viewer: Viewer, text: str) -> None:
    """A prompt from the list: it takes the present one's place, or is appended to it."""
    joining, viewer.joining = viewer.joining, False
    viewer.swap(str(viewer.view.spec.joined(parse_prompt(text))) if joining else text)


def trim(viewer: Viewer, end: bool) -> None:
    """Lets the prompt begin, or end, with the timestep that is shown of it."""
    viewer.swap(str(trimmed(viewer.view.spec, viewer.view.demonstration, viewer.view.shown_step, end)))
    found = viewer.view.demonstration
    assert found is not None
    viewer.message = f"prompt: steps {found.start} to {found.stop} of {len(found.episode)}"


def prompt_with_own(viewer: Viewer) -> None:
    """The latest recording becomes the prompt of the running agent."""
    if viewer.view.saved:
        viewer.swap(recording_name(viewer.view.saved[-1]))
    else:
        viewer.message = "nothing is recorded yet; d drives, v records"


def rename(viewer: Viewer, name: str) -> None:
    """Gives the present prompt's recording another name."""
    found, saved = viewer.view.demonstration, viewer.view.saved
    path = viewer.prompt_list.rename(found, name)
    saved[:] = [path if found is not None and other == found.recording else other for other in saved]
    viewer.swap(recording_name(path))
