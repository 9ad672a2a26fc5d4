"""Card payments of which a few are fraud, of three kinds that each hide among other honest payments."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick

SHOPS = ["groceries", "fuel", "travel", "electronics", "games", "clothing", "dining", "pharmacy"]
COUNTRIES = ["home", "neighbour", "overseas"]


def simulate(random: RandomState, rows: int, *, fraud: float = 0.06, disguise: float = 0.5) -> pd.DataFrame:
    """Simulates one payment a row.

    Args:
        random: Generator.
        rows: Payments.
        fraud: Share of frauds.
        disguise: How much frauds look like other payments: 0 not at all, 1 entirely.
    """
    shop = pick(random, SHOPS, [6, 3, 1, 2, 1, 2, 4, 2], rows)
    country = pick(random, COUNTRIES, [8, 2, 1], rows)
    usual = np.exp(random.normal(3.4, 0.8, rows))
    amount = usual * np.exp(random.normal(0, 0.7, rows)) * np.where(shop == "travel", 5, 1)
    hour = np.clip(np.round(random.normal(14.5, 4.5, rows)), 0, 23)
    online = np.where(random.random_sample(rows) < 0.35, "yes", "no").astype(object)
    earlier = random.poisson(1.2, rows)
    distance = np.exp(random.normal(1.5, 1.2, rows)) + np.where(country == "home", 0, 300)
    card_days = np.round(np.exp(random.normal(6, 1, rows)))
    bad = random.random_sample(rows) < fraud
    shown = random.random_sample(rows) > disguise
    kind = random.randint(0, 3, rows)

    stolen = bad & (kind == 0)  # a stolen card is used often, near by, for what can be sold
    earlier = earlier + np.where(stolen, random.poisson(5, rows), 0)
    shop[stolen & shown] = "electronics"
    amount = np.where(stolen, usual * np.exp(random.normal(1.1, 0.5, rows)), amount)
    copied = bad & (kind == 1)  # a copied card is used far away soon after it was at home
    distance = np.where(copied, np.exp(random.normal(6.5, 0.7, rows)), distance)
    country[copied & ~shown] = "home"
    probed = bad & (kind == 2)  # stolen numbers are tried out at night with small sums on the net
    amount = np.where(probed, random.uniform(0.5, 5, rows), amount)
    online[probed] = "yes"
    hour = np.where(probed & shown, random.randint(0, 6, rows), hour)
    card_days = np.where(probed & shown, random.randint(1, 200, rows), card_days)
    return pd.DataFrame(
        {
            "amount": np.round(amount, 2),
            "usual_amount": np.round(usual, 2),
            "hour": hour,
            "shop": shop,
            "country": country,
            "online": online,
            "payments_today": earlier,
            "distance_km": np.round(distance, 1),
            "card_days": card_days,
            "fraud": bad.astype(np.int64),
        }
    )


PAYMENTS = Simulator(
    "Simulated card payments: `amount` and the card's `usual_amount` in euros, `hour`, kind of `shop`, `country`, "
    "whether `online`, `payments_today` before this one, `distance_km` from the last payment, age of the card in "
    "`card_days`; `fraud` is 1 for frauds.",
    simulate,
    {"fraud": (0.01, 0.5), "disguise": (0.0, 1.0)},
)
