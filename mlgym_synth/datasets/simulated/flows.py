"""Flows in a network, with scans, floods, exfiltration and beacons among what browsers and servers do."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick


def simulate(random: RandomState, rows: int, *, attacks: float = 0.06, stealth: float = 0.5) -> pd.DataFrame:
    """Simulates one flow a row.

    Args:
        random: Generator.
        rows: Flows.
        attacks: Share of attacks.
        stealth: How far attackers stay near what is usual: 0 not at all, 1 as near as they can.
    """
    service = pick(random, ["web", "mail", "dns", "files", "video", "other"], [8, 3, 5, 2, 2, 2], rows)
    heavy = np.select([service == "video", service == "files", service == "dns"], [3.0, 2.0, -2.0], 0.0)
    packets_out = np.round(np.exp(random.normal(2.5, 0.8, rows) + 0.3 * heavy)) + 1
    packets_in = np.round(packets_out * np.exp(random.normal(0.4, 0.4, rows) + 0.3 * heavy)) + 1
    size_out, size_in = np.exp(random.normal(4.8, 0.4, rows)), np.exp(random.normal(6.0, 0.5, rows))
    duration = np.exp(random.normal(0, 1.1, rows) + 0.5 * heavy)
    regularity = np.clip(random.normal(0.35, 0.15, rows), 0, 1)
    ports, failed = 1 + random.poisson(1.0, rows), random.poisson(0.3, rows)
    hour = np.clip(np.round(random.normal(13, 4, rows)), 0, 23)
    bad = random.random_sample(rows) < attacks
    kind = random.randint(0, 4, rows)
    force = (1.2 - stealth) * random.uniform(0.7, 1.3, rows)

    scan = bad & (kind == 0)
    ports = ports + np.where(scan, random.poisson(12 * force), 0)
    failed = failed + np.where(scan, random.poisson(4 * force), 0)
    packets_in = np.where(scan, np.round(packets_in * 0.4) + 1, packets_in)
    flood = bad & (kind == 1)
    packets_out = np.where(flood, np.round(packets_out * np.exp(2.5 * force)), packets_out)
    duration = np.where(flood, duration * np.exp(-1.2 * force), duration)
    theft = bad & (kind == 2)
    size_out = np.where(theft, size_out * np.exp(2.4 * force), size_out)
    size_in = np.where(theft, size_in * np.exp(-1.2 * force), size_in)
    hour = np.where(theft & (random.random_sample(rows) < force), random.randint(0, 6, rows), hour)
    beacon = bad & (kind == 3)
    regularity = np.where(beacon, np.clip(regularity + 0.6 * force, 0, 1), regularity)
    packets_out = np.where(beacon, 1 + random.poisson(4, rows), packets_out)
    return pd.DataFrame(
        {
            "service": service,
            "hour": hour,
            "seconds": np.round(duration, 3),
            "packets_out": packets_out,
            "packets_in": packets_in,
            "bytes_out": np.round(packets_out * size_out),
            "bytes_in": np.round(packets_in * size_in),
            "regularity": np.round(regularity, 3),
            "ports": ports,
            "failed": failed,
            "attack": bad.astype(np.int64),
        }
    )


FLOWS = Simulator(
    "Simulated flows between two computers of a network: `service`, `hour` of the day, length in `seconds`, `packets` "
    "and `bytes` out and in, `regularity` of the times between packets from 0 to 1, and how many `ports` were tried "
    "and connections `failed` around the same time; `attack` is 1 for attacks.",
    simulate,
    {"attacks": (0.01, 0.5), "stealth": (0.0, 1.0)},
)
