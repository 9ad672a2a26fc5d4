"""Container images: families, which hold the Python that agents see, and thin images of single tasks over them."""

from mlgym_synth.images.build import Built, build_family, build_sweagent, build_task
from mlgym_synth.images.families import FAMILIES
from mlgym_synth.images.store import Image, list_images, remove, stale
from mlgym_synth.images.thin import dockerfile, write_context

__all__ = [
    "FAMILIES",
    "Built",
    "Image",
    "build_family",
    "build_sweagent",
    "build_task",
    "dockerfile",
    "list_images",
    "remove",
    "stale",
    "write_context",
]
