"""Trajectories: what an agent did in one episode, as a typed model, a file and chat messages."""

from mlgym_synth.trajectories.messages import to_messages
from mlgym_synth.trajectories.model import Sink, Step, Trajectory
from mlgym_synth.trajectories.store import TrajectoryWriter, read_trajectory

__all__ = ["Sink", "Step", "Trajectory", "TrajectoryWriter", "read_trajectory", "to_messages"]
