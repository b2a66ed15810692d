"""The story on the bed, told by the same storyteller as on the lab (`demo/`)."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from demo.telling import FAST, Cluster, NotAsTold, Pace
from demo.telling import tell as tell_it
from real.errors import BedError
from real.layout import HOSTS, Folders


def tell(folders: Folders, environment: Mapping[str, str], image: str, *, fast: bool) -> None:
    """Tells it on the bed that is up, in whatever state it is. image: what the approver's pods run, by its digest.

    Raises:
        BedError: a step did not end as the story says.
    """
    cluster = Cluster(
        "bed",
        # Commands are typed where no `real` lies.
        {**environment, "PYTHONPATH": str(Path(__file__).parent.parent)},
        folders.ssh_config,
        kubelets=[host.address for host in HOSTS],
        image=image,
        months="python -m real age 335d",
    )
    try:
        with tempfile.TemporaryDirectory() as name:
            tell_it(cluster, Path(name), FAST if fast else Pace())
    except NotAsTold as error:
        raise BedError("the story", str(error)) from None
