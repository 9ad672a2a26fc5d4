"""A user's table that no family was designed for: mixed types, dates, missing values and free text."""

from __future__ import annotations

import csv
import datetime
import math
import random
from pathlib import Path

DISTRICTS = {"Old Town": 1.5, "Harbour": 1.25, "Mill Hill": 1.0, "Eastfield": 0.8, "Airport": 0.65}
PHRASES = {
    "newly renovated": 1.15,
    "needs some work": 0.82,
    "quiet courtyard": 1.05,
    "next to the motorway": 0.85,
    "roof terrace with a view": 1.25,
    "bright rooms": 1.04,
    "original floors": 1.03,
    "no lift": 0.93,
}


def write_flats(path: Path, rows: int = 900, seed: int = 7) -> Path:
    """Writes the table: price follows area, district, date and what the text says, with noise."""
    generator = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["ref", "listed on", "district", "area_m2", "floor", "heating", "energy", "text", "balcony", "price"]
        )
        for number in range(rows):
            day = datetime.date(2019, 1, 1) + datetime.timedelta(days=generator.randrange(1800))
            district = generator.choice(list(DISTRICTS))
            area = round(generator.lognormvariate(4.2, 0.4), 1)
            floor = generator.randrange(0, 9)
            said = generator.sample(list(PHRASES), generator.randrange(1, 4))
            balcony = generator.random() < 0.4
            price = 2600 * area**0.93 * DISTRICTS[district] * math.prod(PHRASES[phrase] for phrase in said)
            price *= 1 + (day - datetime.date(2019, 1, 1)).days / 4000 + 0.05 * balcony
            price *= 1 - 0.03 * abs(floor - 3) + generator.gauss(0, 0.05)
            energy = generator.choice(["A", "B", "C", "D", ""]) if generator.random() < 0.8 else ""
            writer.writerow(
                [
                    f"R{number:05d}",
                    day.isoformat(),
                    district,
                    area if generator.random() > 0.06 else "",
                    floor if generator.random() > 0.1 else "",
                    generator.choice(["gas", "district", "heat pump"]),
                    energy,
                    ", ".join(said).capitalize() + ".",
                    "yes" if balcony else "no",
                    round(price, -2),
                ]
            )
    return path
